package cli

import (
	"github.com/spf13/cobra"

	"github.com/mullion/mullion/layers/store"
)

// Store is the --store flag: which store the command works on.
type Store struct {
	Path string // as given; "" means MULLION_STORE or the user's default
}

// AddFlag registers --store on a command and all its verbs.
func (s *Store) AddFlag(cmd *cobra.Command) {
	cmd.PersistentFlags().StringVar(&s.Path, "store", "", "store `directory` (default: $MULLION_STORE, else the user's data directory)")
}

// Dir returns the directory that the flag, or the environment, names.
func (s *Store) Dir(env *Env) (string, error) {
	if s.Path != "" {
		return s.Path, nil
	}
	return store.DefaultDir(env.Getenv)
}

// Open opens the store, making an empty one where there is none.
func (s *Store) Open(env *Env) (*store.Store, error) {
	dir, err := s.Dir(env)
	if err != nil {
		return nil, err
	}
	return store.Open(dir)
}
