package microvm

import (
	"encoding/json"
	"fmt"

	"github.com/mullion/mullion/runtime/wire"
)

// decode fills v from a frame of the kind want.
func decode(got, want wire.Kind, content []byte, v any) error {
	if got != want {
		return fmt.Errorf("it sent a frame %q instead of %q", got, want)
	}
	if err := json.Unmarshal(content, v); err != nil {
		return fmt.Errorf("frame %q: %w", got, err)
	}
	return nil
}
