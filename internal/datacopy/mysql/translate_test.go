package mysql

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTranslate(t *testing.T) {
	mysql9, mariadb := &server{version: [3]int{9, 7, 0}}, &server{mariadb: true, version: [3]int{10, 11, 0}}
	for _, c := range []struct {
		name       string
		from, to   *server
		part, want string
		lost       []string
	}{
		{"a column that hides", mysql9, mariadb, "`x` int /*!80023 INVISIBLE */ COMMENT '/*!80023 INVISIBLE */'", "`x` int INVISIBLE COMMENT '/*!80023 INVISIBLE */'", nil},
		{"an index that hides", mysql9, mariadb, "KEY `x` (`a`) /*!80000 INVISIBLE */", "KEY `x` (`a`) IGNORED", nil},
		{"an index of a prefix", mysql9, mariadb, "KEY `x` (`((`(10),`b` DESC)", "KEY `x` (`((`(10),`b` DESC)", nil},
		{"an index over an expression", mysql9, mariadb, "UNIQUE KEY `x` (`a`,(lower(`b`)))", "", []string{"unique key x of table t: the target knows no indexes over expressions"}},
		{"a check that is lax", mysql9, mariadb, "CONSTRAINT `x` CHECK ((`a` > 0)) /*!80016 NOT ENFORCED */", "", []string{"check x of table t: the target knows no checks that are not enforced"}},
		{"a check that says so", mysql9, mariadb, "CONSTRAINT `x` CHECK (`a` <> '/*!80016 NOT ENFORCED */')", "CONSTRAINT `x` CHECK (`a` <> '/*!80016 NOT ENFORCED */')", nil},
		{"a default of a function", mariadb, mysql9, "`x` varchar(9) DEFAULT concat('a)',upper('b')) COMMENT 'c'", "`x` varchar(9) DEFAULT (concat('a)',upper('b'))) COMMENT 'c'", nil},
		{"a default of the time", mariadb, mysql9, "`x` timestamp NULL DEFAULT current_timestamp()", "`x` timestamp NULL DEFAULT current_timestamp()", nil},
		{"an index that is ignored", mariadb, mysql9, "KEY `x` (`a`) IGNORED", "KEY `x` (`a`) INVISIBLE", nil},
		{"periods", mariadb, mysql9, "PERIOD FOR SYSTEM_TIME (`a`, `b`)", "", []string{"period PERIOD FOR SYSTEM_TIME (`a`, `b`) of table t: the target knows no periods of rows"}},
		{"the same product", mysql9, mysql9, "KEY `x` ((lower(`b`))) /*!80000 INVISIBLE */", "KEY `x` ((lower(`b`))) /*!80000 INVISIBLE */", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRewriter(c.from, c.to, "")
			d, err := parseDefinition("CREATE TABLE `t` (\n  " + c.part + "\n) ENGINE=InnoDB")
			if err != nil {
				t.Fatal(err)
			}
			r.translate(d)
			got := ""
			if len(d.parts) > 0 {
				got = d.parts[0].text
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if diff := cmp.Diff(c.lost, r.lost()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestStandIns(t *testing.T) {
	for old, want := range map[string]string{
		"utf8mb4_0900_ai_ci":                  "utf8mb4_uca1400_nopad_ai_ci",
		"utf8mb4_cs_0900_as_cs":               "utf8mb4_uca1400_czech_nopad_as_cs",
		"utf8mb4_de_pb_0900_ai_ci":            "utf8mb4_uca1400_german2_nopad_ai_ci",
		"utf8mb4_0900_bin":                    "utf8mb4_0900_bin",
		"utf8mb4_uca1400_ai_ci":               "utf8mb4_uca1400_ai_ci",
		"utf8mb4_uca1400_nopad_as_ci":         "utf8mb4_uca1400_as_ci",
		"utf8mb4_uca1400_swedish_ai_ci":       "utf8mb4_uca1400_swedish_ai_ci",
		"latin1_general_nopad_ci":             "latin1_general_ci",
		"utf8mb4_unicode_520_nopad_ci":        "utf8mb4_unicode_520_ci",
		"utf8mb3_uca1400_spanish2_as_cs":      "utf8mb3_uca1400_spanish2_as_cs",
		"utf8mb4_sr_latn_0900_ai_ci":          "utf8mb4_uca1400_nopad_ai_ci",
		"utf8mb4_uca1400_german2_nopad_ai_ci": "utf8mb4_uca1400_german2_ai_ci",
	} {
		if got := standIns(old)[0]; got != want {
			t.Errorf("%s: %s stands in first, want %s", old, got, want)
		}
	}
	if list := standIns("utf8mb4_uca1400_swedish_nopad_ai_ci"); !cmp.Equal(list[1], "utf8mb4_sv_0900_ai_ci") {
		t.Errorf("to MySQL: %v", list)
	}
}
