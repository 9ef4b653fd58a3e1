package containerize

import (
	"bytes"
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"github.com/landfall-dev/landfall/internal/result"
	"path"
	"sort"
	"strconv"
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec/target"
	"github.com/landfall-dev/landfall/internal/fault"
)

//go:embed survey.sh
var surveyScript string

// maxSurvey bounds what a host may answer, in bytes: a host with 2,000 packages
// and 100,000 files of its own is below 40 MB.
const maxSurvey = 256 << 20

// survey is what a host has that may become part of an image.
type survey struct {
	// links are top folders that are links: /bin → usr/bin.
	links map[string]string
	// packages by name.
	packages map[string]*dpkgPackage
	// lists are the files of each package, as dpkg has them.
	lists map[string][]string
	// users and groups, as lines of /etc/passwd and /etc/group.
	users, groups []string
	// files of the folders that were asked for, sorted by path.
	files []hostFile
	// processes by the program's path.
	processes map[string]usage
}

// hostFile is a file as the host has it. Names that are no valid text, or hold
// control characters, are not among them.
type hostFile struct {
	path     string
	kind     byte // f, d, l or another letter of find's %y
	mode     int64
	uid, gid int
	size     int64
	target   string
}

// usage is what the processes of one program use together.
type usage struct {
	processes int
	// memory in bytes: the proportional set size where the kernel tells it.
	memory int64
	// largest process, in bytes.
	largest int64
	// cpu is the average since each was started, in thousandths of a core.
	cpu int64
}

// ask runs the survey on the host.
func ask(ctx context.Context, host target.Shell, roots []string) (*survey, error) {
	mark := make([]byte, 16)
	if _, err := rand.Read(mark); err != nil {
		return nil, err
	}
	nonce := "landfall-" + hex.EncodeToString(mark)
	script := fmt.Sprintf("N=%s\nROOTS=%s\n%s", nonce, quote(strings.Join(roots, " ")), surveyScript)
	out := &limitedBuffer{limit: maxSurvey}
	if err := host.Run(ctx, strings.NewReader(script), out); err != nil {
		return nil, fmt.Errorf("looking at %s: %w", host.Name(), err)
	}
	s, err := parseSurvey(out.Bytes(), nonce)
	if err != nil {
		return nil, fault.New(fault.Failed, "", "looking at %s: %w", host.Name(), err)
	}
	return s, nil
}

func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// limitedBuffer keeps what is written, up to a limit, beyond which writing is
// an error.
type limitedBuffer struct {
	bytes.Buffer
	limit int
}

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if b.Len()+len(p) > b.limit {
		return 0, fmt.Errorf("more than %d MB came back", b.limit>>20)
	}
	return b.Buffer.Write(p)
}

// parseSurvey reads what the script wrote.
func parseSurvey(data []byte, nonce string) (*survey, error) {
	s := &survey{links: map[string]string{}, processes: map[string]usage{}}
	var ticks, uptime float64
	ended := false
	for _, part := range bytes.Split(data, []byte("\n"+nonce+" "))[1:] {
		name, content, _ := bytes.Cut(part, []byte("\n"))
		text := string(content)
		switch string(name) {
		case "error":
			return nil, errors.New(result.Clean(strings.TrimSpace(text)))
		case "links":
			for _, line := range lines(text) {
				if from, to, ok := strings.Cut(line, " "); ok {
					s.links[from] = path.Join("/", to)
				}
			}
		case "status":
			s.packages = parseStatus(text)
		case "lists":
			s.lists = parseLists(text)
		case "passwd":
			s.users = lines(text)
		case "group":
			s.groups = lines(text)
		case "files":
			s.files = parseFiles(text)
		case "ticks":
			fields := append(strings.Fields(text), "", "")
			ticks, _ = strconv.ParseFloat(fields[0], 64)
			uptime, _ = strconv.ParseFloat(fields[1], 64)
		case "processes":
			s.processes = parseProcesses(text, ticks, uptime)
		case "end":
			ended = true
		}
	}
	if !ended {
		return nil, errors.New("the answer broke off")
	}
	if len(s.packages) == 0 {
		return nil, errors.New("it has no package database of dpkg: only Debian and its derivatives can be containerized")
	}
	return s, nil
}

func lines(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == '\n' })
}

// parseLists reads `tail -n +1 *.list`: "==> NAME.list <==" before each.
func parseLists(text string) map[string][]string {
	lists := map[string][]string{}
	name := ""
	for _, line := range lines(text) {
		if head, ok := strings.CutPrefix(line, "==> "); ok {
			name = strings.TrimSuffix(strings.TrimSuffix(head, " <=="), ".list")
			name, _, _ = strings.Cut(name, ":") // NAME:ARCH where several are installed
			continue
		}
		if strings.HasPrefix(line, "/") && line != "/." {
			lists[name] = append(lists[name], line)
		}
	}
	return lists
}

func parseFiles(text string) []hostFile {
	seen := map[string]bool{}
	var files []hostFile
	for _, record := range strings.Split(text, "\x00") {
		fields := strings.SplitN(record, "\t", 7)
		if len(fields) != 7 || fields[0] == "" || !strings.HasPrefix(fields[5], "/") {
			continue
		}
		f := hostFile{path: path.Clean(fields[5]), kind: fields[0][0], target: fields[6]}
		if seen[f.path] || result.Clean(f.path) != f.path {
			continue
		}
		seen[f.path] = true
		f.mode, _ = strconv.ParseInt(fields[1], 8, 64)
		f.uid, _ = strconv.Atoi(fields[2])
		f.gid, _ = strconv.Atoi(fields[3])
		f.size, _ = strconv.ParseInt(fields[4], 10, 64)
		files = append(files, f)
	}
	sort.Slice(files, func(i, j int) bool { return files[i].path < files[j].path })
	return files
}

// parseProcesses sums up by program: path, parent, memory in kB, CPU ticks in
// user and kernel mode, start in ticks since boot.
func parseProcesses(text string, ticks, uptime float64) map[string]usage {
	all := map[string]usage{}
	for _, line := range lines(text) {
		fields := strings.Split(line, "\t")
		if len(fields) != 6 || ticks <= 0 {
			continue
		}
		var n [4]float64
		for i := range n {
			n[i], _ = strconv.ParseFloat(fields[i+2], 64)
		}
		u := all[fields[0]]
		u.processes++
		u.memory += int64(n[0]) << 10
		u.largest = max(u.largest, int64(n[0])<<10)
		if lived := uptime - n[3]/ticks; lived > 1 {
			u.cpu += int64((n[1] + n[2]) / ticks / lived * 1000)
		}
		all[fields[0]] = u
	}
	return all
}

// canonical is a path without the links of a merged /usr: /bin/sh becomes
// /usr/bin/sh.
func (s *survey) canonical(file string) string {
	top, rest, deeper := strings.Cut(strings.TrimPrefix(file, "/"), "/")
	to, linked := s.links["/"+top]
	if !linked {
		return file
	}
	if !deeper {
		return to
	}
	return path.Join(to, rest)
}

// user gives the numbers of an account.
func (s *survey) user(name string) (uid, gid string, ok bool) {
	for _, line := range s.users {
		if fields := strings.Split(line, ":"); len(fields) >= 4 && fields[0] == name {
			return fields[2], fields[3], true
		}
	}
	return "", "", false
}

// servers are the accounts under which distributions run web servers.
var servers = []string{"www-data", "nginx", "apache", "http", "httpd"}

// serves is the account that the application runs under.
func (s *survey) serves() string {
	for _, name := range servers {
		if _, _, ok := s.user(name); ok {
			return name
		}
	}
	return "nobody"
}
