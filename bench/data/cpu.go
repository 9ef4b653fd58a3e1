package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of times in /proc, the same on every Linux.
const clockTick = 10 * time.Millisecond

// cpuOf is what running processes, such as servers, and those that they started
// and that ended, took of the processor so far; of those that are gone, nothing.
// Other work on the machine changes wall times, and this hardly.
func cpuOf(processes ...*os.Process) (sum time.Duration) {
	for _, process := range processes {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", process.Pid))
		if err != nil {
			continue
		}
		// Behind the name, which may hold anything, field 3 is the first.
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		const user, system, usersOf, systemOf = 14 - 3, 15 - 3, 16 - 3, 17 - 3
		for _, at := range []int{user, system, usersOf, systemOf} {
			ticks, _ := strconv.ParseInt(fields[at], 10, 64)
			sum += time.Duration(ticks) * clockTick
		}
	}
	return sum
}
