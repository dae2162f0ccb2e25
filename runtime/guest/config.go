package guest

// The places in the guest's root.
const (
	// CDir is where the composed drive C: is mounted, writable.
	CDir = "/c"
	// PrefixDir is Wine's prefix: the registry files and dosdevices, writable.
	PrefixDir = "/wine"
	// ExePath is an empty file of the runtime tree that Mullion's own binary is bound
	// over.
	ExePath = "/mullion/" + Name
	// WineDir holds Wine's loader and server.
	WineDir = "/usr/lib/wine"
)

// DefaultUser is the account that programs run as unless told otherwise.
const DefaultUser = "ContainerAdministrator"

// Name is argv[0] of the guest, and all of its arguments.
const Name = "mullion-guest"

// Config says what the guest runs.
type Config struct {
	// Program is the Windows path of the executable that Wine loads.
	Program string `json:"program"`
	// Args are the arguments after the program's name, as the program's C runtime
	// is to see them.
	Args []string `json:"args,omitempty"`
	// Env holds NAME=value pairs for Wine itself (WINEPATH and such). The Windows
	// environment of the program comes from the registry, which overrules these.
	Env []string `json:"env,omitempty"`
	// Cwd is the working directory below [CDir], slash-separated and in any case;
	// the guest makes what is missing of it.
	Cwd string `json:"cwd,omitempty"`
	// User is the account name that programs are told; it never changes what they
	// may do. The first program's is that of all.
	User string `json:"user,omitempty"`
	// TTY says that the standard streams are a terminal, which is to be the
	// program's own.
	TTY bool `json:"tty,omitempty"`
	// Hosts and Resolv are the contents of /etc/hosts and /etc/resolv.conf.
	Hosts  string `json:"hosts,omitempty"`
	Resolv string `json:"resolv,omitempty"`
	// Root, when set, makes the guest enter a root of its own first. Only the making
	// of the Wine base needs that; the Runtimes start the guest in its root.
	Root *Root `json:"root,omitempty"`
}

// Root is a folder that becomes the guest's root, with the device nodes, /proc
// and writable folders that Wine needs. The guest must have been started in mount,
// PID and UTS namespaces of its own.
type Root struct {
	// Dir is the runtime tree.
	Dir string `json:"dir"`
	// Prefix is the folder that appears as [PrefixDir].
	Prefix string `json:"prefix"`
}

// Exit is how the program ended.
type Exit struct {
	// Code is the program's exit code; 137 when it was killed.
	Code uint32 `json:"code"`
	// Note is a remark for the user, such as that only 8 bits of the code are
	// known or that registry changes may be lost; "" when all is well.
	Note string `json:"note,omitempty"`
}

// Process is one process of the container, under its id inside.
type Process struct {
	PID     int    `json:"pid"`
	Command string `json:"command"`
}
