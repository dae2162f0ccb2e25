package guest

// The places in the guest's root.
const (
	// CDir is where the composed drive C: is mounted, writable.
	CDir = "/c"
	// PrefixDir is Wine's prefix: the registry files and dosdevices, writable.
	PrefixDir = "/wine"
	// ExePath is an empty file of the runtime tree; process isolation binds
	// Mullion's own binary over it.
	ExePath = "/mullion/guest"
	// WineDir holds Wine's loader and server.
	WineDir = "/usr/lib/wine"
)

// Name is argv[0] of the guest, and all of its arguments.
const Name = "mullion-guest"

// Config says what the guest runs.
type Config struct {
	// Program is the Windows path of the executable that Wine loads.
	Program string `json:"program"`
	// Args are the arguments after the program's name, as the program's C runtime
	// is to see them.
	Args []string `json:"args,omitempty"`
	// Env holds the NAME=value pairs of the Windows environment.
	Env []string `json:"env,omitempty"`
	// Cwd is the working directory, an absolute Windows path; "" means `C:\`.
	Cwd string `json:"cwd,omitempty"`
	// User is the account name that the program is told; it never changes what the
	// program may do.
	User string `json:"user,omitempty"`
	// Boot runs Wine's own start-up (wineboot) too: services and volatile registry
	// keys, for a few hundred milliseconds more. Only the Wine base's making needs it.
	Boot bool `json:"boot,omitempty"`
	// Root, when set, makes the guest build its own root there first. Only the
	// making of the Wine base does.
	Root *Root `json:"root,omitempty"`
}

// Root is a folder that becomes the guest's root, with the device nodes, /proc
// and writable folders that Wine needs.
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
