package supervisor

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/landfall-dev/landfall/localkube/internal/host"
	"github.com/landfall-dev/landfall/localkube/internal/plan"
)

// ensureCNIPlugins gathers the network plugins in one folder, as containerd
// wants them: the machine's and our own.
func ensureCNIPlugins(l plan.Layout, m plan.Machine) error {
	companions, err := host.FindCompanions()
	if err != nil {
		return err
	}
	plugins := []string{companions.Netpol}
	for _, name := range host.CNIPlugins {
		plugins = append(plugins, filepath.Join(m.Programs.CNIDir, name))
	}
	if err := os.MkdirAll(l.CNIDir(), 0o700); err != nil {
		return fmt.Errorf("gathering network plugins: %w", err)
	}
	for _, plugin := range plugins {
		link := filepath.Join(l.CNIDir(), filepath.Base(plugin))
		if to, err := os.Readlink(link); err == nil && to == plugin {
			continue
		}
		if err := os.RemoveAll(link); err != nil {
			return fmt.Errorf("gathering network plugins: %w", err)
		}
		if err := os.Symlink(plugin, link); err != nil {
			return fmt.Errorf("gathering network plugins: %w", err)
		}
	}
	return nil
}
