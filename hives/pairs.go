package hives

import (
	"iter"

	"github.com/mullion/mullion/internal/nt"
)

// pair is a subkey on two sides; one of them may lack it.
type pair struct {
	below *stackKey
	next  Key
}

// pairs walks the subkeys of two keys side by side, in order.
func pairs(below *stackKey, next Key) iter.Seq2[pair, error] {
	return func(yield func(pair, error) bool) {
		pull, stop := iter.Pull2(next.Subkeys())
		defer stop()
		n, nerr, more := pull()
		for b, err := range below.subkeys() {
			if err != nil {
				yield(pair{}, err)
				return
			}
			name := b.Name()
			for more && nerr == nil && nt.Compare(n.Name(), name) < 0 {
				if !yield(pair{next: n}, nil) {
					return
				}
				n, nerr, more = pull()
			}
			if nerr != nil {
				break
			}
			p := pair{below: b}
			if more && nt.Compare(n.Name(), name) == 0 {
				p.next = n
				n, nerr, more = pull()
			}
			if !yield(p, nil) {
				return
			}
		}
		for ; more && nerr == nil; n, nerr, more = pull() {
			if !yield(pair{next: n}, nil) {
				return
			}
		}
		if nerr != nil {
			yield(pair{}, nerr)
		}
	}
}
