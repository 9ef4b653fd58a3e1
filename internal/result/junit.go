package result

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

// junitWriter writes one suite for each run of results with the same target
// and group.
type junitWriter struct {
	w       io.Writer
	name    string
	started bool
	suite   *junitSuite
	key     [2]string
}

type junitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Host     string      `xml:"hostname,attr,omitempty"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Time     junitTime   `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Time    junitTime     `xml:"time,attr"`
	Failure *junitProblem `xml:"failure"`
	Error   *junitProblem `xml:"error"`
}

type junitProblem struct {
	Type    string `xml:"type,attr"`
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// junitTime is in seconds.
type junitTime float64

// MarshalText writes it as JUnit wants it.
func (t junitTime) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%.6f", float64(t)), nil }

// Write is part of Writer.
func (j *junitWriter) Write(r Result) error {
	if key := [2]string{r.Target, r.Group}; j.suite == nil || key != j.key {
		if err := j.flush(); err != nil {
			return err
		}
		j.key = key
		j.suite = &junitSuite{Name: Clean(r.Group), Host: Clean(r.Target)}
	}
	one := junitCase{Class: Clean(r.Group), Name: Clean(r.Name), Time: junitTime(r.Duration.Seconds())}
	switch r.Answer {
	case Fails:
		one.Failure = problem(&r)
		j.suite.Failures++
	case Unknown:
		one.Error = problem(&r)
		j.suite.Errors++
	}
	j.suite.Tests++
	j.suite.Time += one.Time
	j.suite.Cases = append(j.suite.Cases, one)
	return nil
}

// Close is part of Writer.
func (j *junitWriter) Close() error {
	if err := j.flush(); err != nil {
		return err
	}
	if err := j.start(); err != nil {
		return err
	}
	_, err := io.WriteString(j.w, "</testsuites>\n")
	return err
}

func (j *junitWriter) start() error {
	if j.started {
		return nil
	}
	j.started = true
	name := j.name
	if name == "" {
		name = "landfall"
	}
	var quoted strings.Builder
	if err := xml.EscapeText(&quoted, []byte(Clean(name))); err != nil {
		return err
	}
	_, err := fmt.Fprintf(j.w, "%s<testsuites name=\"%s\">\n", xml.Header, quoted.String())
	return err
}

func (j *junitWriter) flush() error {
	if j.suite == nil {
		return nil
	}
	if err := j.start(); err != nil {
		return err
	}
	text, err := xml.MarshalIndent(j.suite, "  ", "  ")
	if err != nil {
		return fmt.Errorf("writing the suite %s: %w", j.suite.Name, err)
	}
	j.suite = nil
	_, err = j.w.Write(append(text, '\n'))
	return err
}

func problem(r *Result) *junitProblem {
	p := &junitProblem{Type: r.Answer.String(), Message: message(r)}
	if r.Expected != "" || r.Actual != "" {
		p.Text = "expected: " + cleanText(r.Expected) + "\nactual: " + cleanText(r.Actual) + "\n"
	}
	p.Text += cleanText(r.Reason)
	return p
}

// message is what is wrong in one line.
func message(r *Result) string {
	switch {
	case r.Reason != "":
		return CleanLines(r.Reason)[0]
	case r.Expected != "" || r.Actual != "":
		return "expected " + Clean(r.Expected) + ", got " + Clean(r.Actual)
	}
	return r.Answer.String()
}
