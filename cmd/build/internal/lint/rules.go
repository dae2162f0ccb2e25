package lint

import "strings"

// rule is one rule. Those of BuildKit have the names that docker knows.
type rule struct {
	name     string
	severity Severity
	page     string // of docker's documentation; "" for our own
	help     string
}

// url is where the rule is explained.
func (r rule) url() string {
	if r.page == "" {
		return ""
	}
	return "https://docs.docker.com/go/dockerfile/rule/" + r.page + "/"
}

// The rules of BuildKit that need more than the words of one instruction; the others
// are in containerfile.File.Findings.
var (
	consistentCasing  = rule{"ConsistentInstructionCasing", Warning, "consistent-instruction-casing", "all instructions of a file are written in the same case"}
	duplicateStage    = rule{"DuplicateStageName", Warning, "duplicate-stage-name", "only the last of two stages of one name can be reached"}
	reservedStage     = rule{"ReservedStageName", Warning, "reserved-stage-name", "scratch and context stand for something else"}
	jsonArgs          = rule{"JSONArgsRecommended", Warning, "json-args-recommended", "in shell form the program is a child of the shell, which gets the request to stop"}
	undefinedFromArg  = rule{"UndefinedArgInFrom", Warning, "undefined-arg-in-from", "FROM knows the ARGs before the first FROM and those of the platform"}
	workdirRelative   = rule{"WorkdirRelativePath", Warning, "workdir-relative-path", "where a relative WORKDIR leads depends on the base"}
	undefinedVar      = rule{"UndefinedVar", Warning, "undefined-var", "a variable without ARG or ENV is empty"}
	onlyLast          = rule{"MultipleInstructionsDisallowed", Warning, "multiple-instructions-disallowed", "only the last of these instructions counts"}
	legacyFormat      = rule{"LegacyKeyValueFormat", Warning, "legacy-key-value-format", "with a blank between name and value all the rest of the line is the value"}
	redundantPlatform = rule{"RedundantTargetPlatform", Warning, "redundant-target-platform", "a stage is for the target platform anyway"}
	secretInEnv       = rule{"SecretsUsedInArgOrEnv", Warning, "secrets-used-in-arg-or-env", "ARG and ENV stay in the image for everybody to read; use RUN --mount=type=secret"}
	invalidDefault    = rule{"InvalidDefaultArgInFrom", Warning, "invalid-default-arg-in-from", "without --build-arg the name of the base image is empty or no name"}
	constPlatform     = rule{"FromPlatformFlagConstDisallowed", Warning, "from-platform-flag-const-disallowed", "a constant platform makes the file good for one platform only"}
	copyIgnored       = rule{"CopyIgnoredFile", Warning, "copy-ignored-file", "the ignore file leaves this source out of the context"}
	protoCasing       = rule{"ExposeProtoCasing", Warning, "expose-proto-casing", "protocols are written in lower case"}
	exposeFormat      = rule{"ExposeInvalidFormat", Warning, "expose-invalid-format", "EXPOSE names a port of the container alone"}
)

// The rules of Windows.
var (
	jsonBackslash = rule{"WindowsJSONBackslash", Error, "", "what is not JSON is a line for the shell; in JSON every \\ is written \\\\"}
	pathLost      = rule{"WindowsPathLost", Warning, "", "the machine's PATH is in the registry, and a PATH of ENV takes its place; use RUN setx /M PATH"}
	trailingSlash = rule{"WindowsTrailingBackslash", Error, "", "a backslash at the end of a line joins it with the next; begin the file with # escape=` or end the path with /"}
	backslashLost = rule{"WindowsBackslashLost", Warning, "", "a backslash escapes what follows and is taken away; begin the file with # escape=` or write / or \\\\"}
	shellErrors   = rule{"WindowsShellErrors", Warning, "", "PowerShell goes on after an error unless it is told to stop, and the RUN counts as good"}
	setxLost      = rule{"WindowsSetxPathLost", Warning, "", "a PATH of ENV takes the place of the registry's, which setx changes"}
	fileName      = rule{"WindowsFileName", Error, "", "Windows has no such file name"}
	userRights    = rule{"WindowsUserRights", Warning, "", "only ContainerAdministrator may do this; put USER after it"}
	stopSignal    = rule{"WindowsStopSignal", Warning, "", "Windows has no signals"}
	baseUnknown   = rule{"BaseUnknown", Note, "", "pull the base to have it looked at"}
)

// secretWord tells whether a name looks like that of a secret: one of its words is
// one of these, and none of those that make it harmless.
func secretWord(name string) bool {
	found := false
	for word := range strings.SplitSeq(strings.ToLower(name), "_") {
		switch word {
		case "apikey", "auth", "credential", "credentials", "key", "password", "pword", "passwd", "secret", "token":
			found = true
		case "public", "file", "version":
			return false
		}
	}
	return found
}
