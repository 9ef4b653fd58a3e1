package s3

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/landfall-dev/landfall/internal/datacopy"
)

// uploadsUnit is where the journal has uploads in parts that are not ended.
const uploadsUnit = "#uploads"

// noteUpload puts an upload in parts into the journal, forgetUpload says that
// it ended.
func (c *copier) noteUpload(id, key string) error {
	return c.journal.Record(datacopy.Entry{Unit: uploadsUnit, Chunk: id, Note: key})
}

func (c *copier) forgetUpload(id string) error {
	return c.journal.Record(datacopy.Entry{Unit: uploadsUnit, Chunk: id})
}

// clearUploads puts away uploads that a crash left open.
func (c *copier) clearUploads(ctx context.Context) error {
	for entry := range c.journal.Entries(uploadsUnit) {
		if entry.Note == "" {
			continue
		}
		if err := c.abort(ctx, entry.Note, entry.Chunk); err != nil {
			return err
		}
		if err := c.forgetUpload(entry.Chunk); err != nil {
			return err
		}
	}
	return nil
}

// abort puts an upload away, also when ctx has ended: its parts cost money and
// are not seen in listings. A part that the server was still writing brings the
// upload back, so it is looked at afterwards.
func (c *copier) abort(ctx context.Context, key, id string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err := datacopy.Retry{Attempts: 5}.Do(ctx, func(int) error {
		_, err := c.to.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &c.to.name, Key: &key, UploadId: &id})
		if err != nil && !notFound(err) {
			return err
		}
		_, err = c.to.client.ListParts(ctx, &s3.ListPartsInput{Bucket: &c.to.name, Key: &key, UploadId: &id})
		if err == nil {
			return errors.New("the upload is still there")
		}
		if notFound(err) {
			return nil
		}
		return err
	})
	return c.to.failed(fmt.Sprintf("ending the upload of %q to", key), err)
}
