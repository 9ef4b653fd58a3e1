package capture

import (
	"errors"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

// usersSource: accounts, groups, what sudo allows, who may log in with which
// key, and what people set for git.
func usersSource() Source {
	return Source{
		Name:       "users",
		Kinds:      []hostspec.Kind{hostspec.User, hostspec.Group, hostspec.Sudo, hostspec.SSHKey, hostspec.GitConfig},
		Files:      []string{"/etc/passwd", "/etc/group", "/etc/sudoers", "/etc/sudoers.d/*", "/etc/ssh/authorized_keys/*", "/etc/gitconfig"},
		ImageFiles: []string{"/etc/shadow", "/root/.ssh/authorized_keys", "/home/*/.ssh/authorized_keys", "/root/.gitconfig", "/home/*/.gitconfig"},
		Commands: []Command{
			{ID: "shadow", Script: shadowScript},
			{ID: "homes", Script: homesScript},
		},
		Parse: func(in *Input, out *Builder) {
			homes := parseUsers(in, out)
			parseSudo(in, out)
			personal := personalFiles(in, homes, out)
			parseKeys(in, personal, out)
			parseGit(in, personal, out)
		},
	}
}

// shadowScript sends of each password hash only its type: no hash leaves the
// host.
const shadowScript = `[ -e /etc/shadow ] || exit 127
awk -F: '{
	p = $2; lock = ""
	if (p ~ /^[!*]/) { lock = substr(p, 1, 1); sub(/^[!*]+/, "", p) }
	if (match(p, /^\$[^$]*\$/)) p = substr(p, 1, RLENGTH); else if (p != "") p = "des"
	print $1 ":" lock p
}' /etc/shadow`

// homesScript sends the files of people from wherever their homes are. Each
// line says which file it is from; a line of a key or a setting follows a space.
const homesScript = `seen=:
while IFS=: read -r user x uid gid name home shell; do
	case $seen in *":$home:"*) continue ;; esac
	seen=$seen$home:
	[ -d "$home" ] && [ "$home" != / ] || continue
	if ! [ -x "$home" ] || { [ -d "$home/.ssh" ] && ! [ -x "$home/.ssh" ]; }; then echo "denied $user $home"; continue; fi
	for f in .ssh/authorized_keys .ssh/authorized_keys2 .gitconfig .config/git/config; do
		[ -f "$home/$f" ] || continue
		if [ -r "$home/$f" ]; then echo "file $user $f"; sed -n '1,2000s/^/ /p' "$home/$f"; echo; else echo "denied $user $home/$f"; fi
	done
done </etc/passwd`

// parseUsers reads passwd(5) and group(5), and gives the homes by user.
func parseUsers(in *Input, out *Builder) map[string]string {
	homes := map[string]string{}
	groups, names := parseGroups(in, out)
	data, err := in.Read("/etc/passwd")
	if err != nil {
		out.Unknown(hostspec.User, err.Error())
		return homes
	}
	passwords, passwordErr := passwordTypes(in)
	for _, line := range Lines(data) {
		f := strings.Split(line, ":")
		if len(f) != 7 {
			continue
		}
		homes[f[0]] = f[5]
		attributes := []hostspec.Attribute{
			{Name: "uid", Value: Number(f[2])}, {Name: "gid", Value: Number(f[3])},
			Text("home", f[5]), Text("shell", f[6]), List("groups", unique(append(groups[f[0]], names[f[3]]))),
		}
		password, known := passwords[f[0]]
		switch {
		case known:
			attributes = append(attributes, Text("password", password))
		case passwordErr != nil:
			attributes = append(attributes, Unknown("password", passwordErr))
		}
		out.Add(hostspec.User, f[0], attributes...)
	}
	return homes
}

// parseGroups gives the groups that list each user, and names by gid.
func parseGroups(in *Input, out *Builder) (memberships map[string][]string, names map[string]string) {
	memberships, names = map[string][]string{}, map[string]string{}
	data, err := in.Read("/etc/group")
	if err != nil {
		out.Unknown(hostspec.Group, err.Error())
		return memberships, names
	}
	for _, line := range Lines(data) {
		f := strings.Split(line, ":")
		if len(f) != 4 {
			continue
		}
		members := unique(strings.Split(f[3], ","))
		for _, member := range members {
			memberships[member] = append(memberships[member], f[0])
		}
		names[f[2]] = f[0]
		out.Add(hostspec.Group, f[0], hostspec.Attribute{Name: "gid", Value: Number(f[2])}, List("members", members))
	}
	return memberships, names
}

// hashes are the types of crypt(5).
var hashes = map[string]string{
	"1": "md5", "2a": "bcrypt", "2b": "bcrypt", "2y": "bcrypt", "5": "sha256", "6": "sha512",
	"y": "yescrypt", "gy": "gost-yescrypt", "7": "scrypt", "argon2id": "argon2id", "sha1": "sha1",
}

// passwordTypes says of each user what the password is: locked, none, or the
// type of its hash. The error says why that is not known.
func passwordTypes(in *Input) (map[string]string, error) {
	var data []byte
	var err error
	if in.Image {
		if data, err = in.Read("/etc/shadow"); missing(err) {
			err = nil
		}
	} else {
		var answer Output
		answer, err = in.Command("shadow")
		switch {
		case errors.Is(err, ErrNotInstalled):
			err = nil // a container without it: nobody logs in
		case err == nil && answer.Exit != 0:
			err = in.denied("/etc/shadow")
		}
		data = answer.Stdout
	}
	types := map[string]string{}
	for _, line := range Lines(data) {
		user, rest, _ := strings.Cut(line, ":")
		password, _, _ := strings.Cut(rest, ":")
		types[user] = passwordType(password)
	}
	return types, err
}

func passwordType(password string) string {
	bare := strings.TrimLeft(password, "!*")
	kind := "none"
	if bare != "" {
		kind = "des"
		if parts := strings.Split(bare, "$"); len(parts) > 2 {
			if kind = hashes[parts[1]]; kind == "" {
				kind = "unknown hash"
			}
		}
	}
	switch {
	case bare == password:
		return kind
	case bare == "":
		return "locked"
	}
	return "locked " + kind
}

// parseSudo reads sudoers(5). The order of rules matters there, but is lost
// here: what is asked is which rules there are.
func parseSudo(in *Input, out *Builder) {
	if err := in.Closed("/etc/sudoers.d/*"); err != nil {
		out.Unknown(hostspec.Sudo, err.Error())
	}
	for _, file := range in.Glob("/etc/sudoers", "/etc/sudoers.d/*") {
		if name := file[strings.LastIndexByte(file, '/')+1:]; strings.Contains(name, ".") || strings.HasSuffix(name, "~") {
			continue // sudo leaves such files out
		}
		data, err := in.Read(file)
		if err != nil {
			out.Unknown(hostspec.Sudo, err.Error())
			continue
		}
		for _, line := range ConfigLines(data) {
			rule := strings.Join(strings.Fields(line), " ")
			if strings.HasPrefix(rule, "@include") {
				continue
			}
			out.Add(hostspec.Sudo, out.Redacted(rule), Text("file", file))
		}
	}
}

// personalFile is a file in somebody's home.
type personalFile struct {
	user, name string
	content    []byte
}

func personalFiles(in *Input, homes map[string]string, out *Builder) []personalFile {
	if in.Image {
		return personalFilesOfImage(in, homes)
	}
	answer, err := in.Command("homes")
	if err != nil {
		out.Unknown(hostspec.SSHKey, err.Error())
		out.Unknown(hostspec.GitConfig, err.Error())
	}
	var files []personalFile
	for _, line := range Lines(answer.Stdout) {
		if text, of := strings.CutPrefix(line, " "); of && len(files) > 0 {
			last := &files[len(files)-1]
			last.content = append(last.content, text+"\n"...)
			continue
		}
		words := strings.SplitN(line, " ", 3)
		switch {
		case len(words) < 3:
		case words[0] == "file":
			files = append(files, personalFile{user: words[1], name: words[2]})
		case words[0] == "denied":
			out.Unknown(hostspec.SSHKey, in.denied(words[2]).Error())
			out.Unknown(hostspec.GitConfig, in.denied(words[2]).Error())
		}
	}
	return files
}

func personalFilesOfImage(in *Input, homes map[string]string) []personalFile {
	var files []personalFile
	for _, user := range sortedKeys(homes) {
		for _, name := range []string{".ssh/authorized_keys", ".gitconfig"} {
			if data, err := in.Read(homes[user] + "/" + name); err == nil {
				files = append(files, personalFile{user: user, name: name, content: data})
			}
		}
	}
	return files
}

// parseKeys reads authorized_keys; see sshd(8).
func parseKeys(in *Input, files []personalFile, out *Builder) {
	for _, file := range in.Glob("/etc/ssh/authorized_keys/*") {
		if data, err := in.Read(file); err == nil {
			files = append(files, personalFile{user: file[strings.LastIndexByte(file, '/')+1:], name: "authorized_keys", content: data})
		}
	}
	for _, file := range files {
		if !strings.Contains(file.name, "authorized_keys") {
			continue
		}
		rest := file.content
		for len(rest) > 0 {
			key, comment, options, after, err := ssh.ParseAuthorizedKey(rest)
			if err != nil {
				break // no more keys: it passes over lines that are none
			}
			rest = after
			for i, option := range options {
				options[i] = out.Redacted(option)
			}
			out.Add(hostspec.SSHKey, file.user+" "+ssh.FingerprintSHA256(key),
				Text("type", key.Type()), List("options", options), Optional("comment", out.Redacted(comment)))
		}
	}
}

// parseGit reads git-config(1) files: sections, subsections, values.
func parseGit(in *Input, files []personalFile, out *Builder) {
	if data, err := in.Read("/etc/gitconfig"); err == nil {
		files = append(files, personalFile{user: "system", name: ".gitconfig", content: data})
	}
	for _, file := range files {
		if file.name != ".gitconfig" && file.name != ".config/git/config" {
			continue
		}
		section := ""
		values := map[string][]hostspec.Value{}
		for _, line := range Lines(file.content) {
			line = strings.TrimSpace(line)
			if line == "" || line[0] == '#' || line[0] == ';' {
				continue
			}
			if line[0] == '[' {
				name, sub, _ := strings.Cut(strings.Trim(line, "[]"), " ")
				section = strings.ToLower(name)
				if sub != "" {
					section += "." + strings.Trim(sub, `"`)
				}
				continue
			}
			key, value, _ := strings.Cut(line, "=")
			name := out.Redacted(section + "." + strings.ToLower(strings.TrimSpace(key)))
			values[name] = append(values[name], out.Setting(name, unquote(strings.TrimSpace(value))))
		}
		for _, name := range sortedKeys(values) {
			out.Value(hostspec.GitConfig, file.user+" "+name, joined(values[name]))
		}
	}
}
