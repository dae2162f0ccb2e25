package hives

import (
	"errors"
	"io"

	"github.com/mullion/mullion/internal/nt"
)

var errStub = errors.New("hives: not yet")

// Hive is a stub.
type Hive struct{}

func Open(r io.ReaderAt, size int64) (*Hive, error) { return nil, errStub }
func (h *Hive) Root() (Key, error)                  { return nil, errStub }
func (h *Hive) IsDelta() bool                       { return false }

// Finding is one thing that is wrong with a hive.
type Finding struct {
	Offset  int64  // in the file
	Rule    string // short, stable name of the rule
	Message string
}

func Check(r io.ReaderAt, size int64) []Finding { return nil }

type Stack struct{}

func NewStack(base *Hive, deltas ...*Hive) *Stack { return &Stack{} }
func (s *Stack) Root() (Key, error)               { return nil, errStub }

type Options struct {
	Time  nt.Filetime
	Owner nt.SID
}
type Tree struct{}

func NewTree(o Options) *Tree                      { return &Tree{} }
func (t *Tree) Root() Key                          { return nil }
func (t *Tree) CreateKey(path string) error        { return errStub }
func (t *Tree) Set(path string, v Value) error     { return errStub }
func (t *Tree) SetSD(path string, sd []byte) error { return errStub }
func (t *Tree) WriteTo(w io.Writer) (int64, error) { return 0, errStub }

type Edit struct{}

func NewEdit(s *Stack, o Options) *Edit               { return &Edit{} }
func (e *Edit) Root() (Key, error)                    { return nil, errStub }
func (e *Edit) CreateKey(path string) error           { return errStub }
func (e *Edit) SetValue(path string, v Value) error   { return errStub }
func (e *Edit) DeleteValue(path, name string) error   { return errStub }
func (e *Edit) DeleteKey(path string) error           { return errStub }
func (e *Edit) Changed() bool                         { return false }
func (e *Edit) WriteDelta(w io.Writer) (int64, error) { return 0, errStub }
func Merge(s *Stack, o Options) (*Tree, error)        { return nil, errStub }

type Registry struct{}

func NewRegistry(open func(Name) (*Stack, error), o Options) *Registry { return &Registry{} }
func (r *Registry) Edit(n Name) (*Edit, error)                         { return nil, errStub }
func (r *Registry) Key(path string) (Key, error)                       { return nil, errStub }
func (r *Registry) CreateKey(path string) error                        { return errStub }
func (r *Registry) SetValue(path string, v Value) error                { return errStub }
func (r *Registry) DeleteValue(path, name string) error                { return errStub }
func (r *Registry) DeleteKey(path string) error                        { return errStub }
func (r *Registry) Changed() bool                                      { return false }
