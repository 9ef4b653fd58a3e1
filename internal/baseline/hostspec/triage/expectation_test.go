package triage

import (
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

func TestWhatMustHoldInAContainer(t *testing.T) {
	spec := shop(t)
	report := Run(spec, BuiltIn())
	var names []string
	for _, item := range Expectation(spec, report, nil).Items {
		names = append(names, item.Key.String())
	}
	want := []string{
		"os/codename", "os/id", "os/version",
		"package/nginx", "package/php8.2-cli", "package/php8.2-fpm", "package/php8.2-mysql",
		"user/www-data",
		"file//usr/local/bin/imgopt", "file//var/www/shop/current",
		`nginx-location/shop.example.org ~ \.php$`,
		"php-setting/8.2-fpm memory_limit", "php-setting/8.2-fpm precision",
		"php-extension/fpm mysqli",
	}
	if diff := gocmp.Diff(want, names); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, item := range Expectation(spec, report, func(path string) bool { return path == "/usr/local/bin/imgopt" }).Items {
		if item.Name == "/usr/local/bin/imgopt" {
			t.Error("a file that is elsewhere is expected")
		}
	}
}
