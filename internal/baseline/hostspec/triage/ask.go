package triage

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

// Ask puts each open question to a person, one line each, and gives the
// decisions. An empty answer leaves the question open; "q", the end of the
// input and the context's end stop asking, and what was answered counts.
func Ask(ctx context.Context, report *Report, in io.Reader, out io.Writer) ([]hostspec.Decision, error) {
	lines := readLines(in)
	var decisions []hostspec.Decision
	for i, group := range report.Groups(Decide) {
		if i == 0 {
			fmt.Fprintf(out, "For each item: %s; add \": why\" for a reason, ! for all of its group; Enter leaves it open, q stops.\n", letters())
		}
		fmt.Fprintf(out, "\n%s\n", group.Reason)
		if group.Remedy != "" {
			fmt.Fprintf(out, "  %s\n", group.Remedy)
		}
		made, more, err := askGroup(ctx, group, lines, out)
		decisions = append(decisions, made...)
		if err != nil || !more {
			return decisions, err
		}
	}
	return decisions, nil
}

func askGroup(ctx context.Context, group Group, lines <-chan string, out io.Writer) (made []hostspec.Decision, more bool, err error) {
	for i, item := range group.Items {
		for {
			fmt.Fprintf(out, "  %s  %s\n  > ", item.Key, Detail(item))
			var line string
			select {
			case <-ctx.Done():
				return made, false, ctx.Err()
			case line, more = <-lines:
			}
			if !more || line == "q" {
				return made, false, nil
			}
			if line == "" {
				break
			}
			answer, err := readAnswer(line)
			if err != nil {
				fmt.Fprintf(out, "  %v: %s\n", err, letters())
				continue
			}
			rest := group.Items[i : i+1]
			if answer.all {
				rest = group.Items[i:]
			}
			for _, item := range rest {
				made = append(made, hostspec.Decision{Item: item.Key.String(), Class: string(answer.class), Reason: answer.reason})
			}
			if answer.all {
				return made, true, nil
			}
			break
		}
	}
	return made, true, nil
}

type answer struct {
	class  Class
	reason string
	all    bool
}

// readAnswer reads a class, or its first letters, "!" for the whole group, and
// a reason behind a colon.
func readAnswer(line string) (answer, error) {
	class, reason, _ := strings.Cut(line, ":")
	class, all := strings.CutSuffix(strings.TrimSpace(class), "!")
	a := answer{reason: strings.TrimSpace(reason), all: all}
	for _, c := range Classes {
		if class != "" && c != Decide && strings.HasPrefix(string(c), class) {
			a.class = c
			return a, nil
		}
	}
	return a, errors.New("no such class")
}

// letters lists the classes with what is enough to type.
func letters() string {
	var list []string
	for _, c := range Classes {
		if c != Decide {
			list = append(list, fmt.Sprintf("[%c]%s", c[0], c[1:]))
		}
	}
	return strings.Join(list, " ")
}

// readLines gives the lines of in until its end.
func readLines(in io.Reader) <-chan string {
	lines := make(chan string)
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(in); scanner.Scan(); {
			lines <- strings.TrimSpace(scanner.Text())
		}
	}()
	return lines
}
