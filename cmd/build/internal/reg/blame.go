package reg

import (
	"fmt"
	"io"
	"strconv"

	"github.com/opencontainers/go-digest"

	"github.com/mullion/mullion/cmd/internal/cli"
)

// MadeBy tells about a layer.
type MadeBy struct {
	Digest    digest.Digest `json:"digest"`
	CreatedBy string        `json:"createdBy"` // the line of the image's history, "" if it does not say
}

// Blame prints which layer made a key of an image or changed it last, and which set each
// of its values. layers are those of the image, the base first.
func Blame(w io.Writer, r *Registry, key string, layers []MadeBy, json bool) error {
	n, err := r.Find(key)
	if err != nil {
		return err
	}
	values, err := n.Values()
	if err != nil {
		return err
	}
	if json {
		return blameJSON(w, n, values, layers)
	}
	layer, err := n.Layer()
	if err != nil {
		return err
	}
	rows := [][]string{blameRow("(key)", layer, layers)}
	for _, v := range values {
		rows = append(rows, blameRow(shown(v.Name), v.Layer, layers))
	}
	if _, err := fmt.Fprintf(w, "\n%s\n", Printable(n.Path)); err != nil {
		return err
	}
	return cli.PrintTable(w, []string{"VALUE", "LAYER", "DIGEST", "CREATED BY"}, rows)
}

// made finds the layer of a number, nil if there is none.
func made(layer *int, layers []MadeBy) *MadeBy {
	if layer == nil || *layer >= len(layers) {
		return nil
	}
	return &layers[*layer]
}

func blameRow(name string, layer *int, layers []MadeBy) []string {
	const digits = 12
	m := made(layer, layers)
	if m == nil {
		return []string{name}
	}
	hex := m.Digest.Encoded()
	return []string{name, strconv.Itoa(*layer), hex[:min(digits, len(hex))], Printable(cli.OneLine(m.CreatedBy))}
}

func blameJSON(w io.Writer, n *Node, values []Value, layers []MadeBy) error {
	k, err := jsonKey(n, values)
	if err != nil {
		return err
	}
	for i := range k.Values {
		k.Values[i].MadeBy = made(k.Values[i].Layer, layers)
	}
	return printJSON(w, struct {
		Path text `json:"path"`
		keyJSON
		*MadeBy
	}{text(n.Path), k, made(k.Layer, layers)})
}
