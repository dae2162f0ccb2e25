package lint_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mullion/mullion/cmd/build/internal/containerfile"
	"github.com/mullion/mullion/cmd/build/internal/lint"
	"github.com/mullion/mullion/layers/image"
)

// check applies the rules to a file and lists what they find as "Rule:line".
func check(t *testing.T, text string) []string {
	t.Helper()
	f, err := containerfile.Parse("Containerfile", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, found := range lint.Check(f, lint.Options{
		Base: func(ref string) (*image.Config, bool) {
			c := image.NewConfig(image.Platform{OS: "windows", Arch: "amd64"})
			c.SetEnv("BASED", "1")
			return &c, ref == "known"
		},
		Ignored: func(name string) (bool, error) { return name == "ignored.txt", nil },
	}) {
		if found.Help == "" || found.Message == "" {
			t.Errorf("%s says %q, %q", found.Rule, found.Message, found.Help)
		}
		list = append(list, fmt.Sprintf("%s:%d", found.Rule, found.Line))
	}
	slices.Sort(list)
	return list
}

// Each rule finds what it is about, and not what is like it.
func TestRules(t *testing.T) {
	const e = "# escape=`\n"
	tests := []struct{ name, text, want string }{
		{"clean", e + "FROM known AS app\nWORKDIR C:\\app\nCOPY a.exe C:\\app\\\nENTRYPOINT [\"C:\\\\app\\\\a.exe\"]", ""},
		{"stage name", "FROM known AS App", "StageNameCasing:1"},
		{"as", "FROM known as app", "FromAsCasing:1"},
		{"empty continuation", "FROM known\nRUN a && \\\n\n b", "NoEmptyContinuation:4"},
		{"casing", "FROM known\nRUN a\nrun b", "ConsistentInstructionCasing:3"},
		{"mixed casing", "FROM known\nRun b\nRUN a", "ConsistentInstructionCasing:2"},
		{"lower", "from known\nrun b", ""},
		{"same stage", "FROM known AS a\nFROM known AS a", "DuplicateStageName:2"},
		{"reserved", "FROM known AS scratch", "ReservedStageName:1"},
		{"shell form", "FROM known\nCMD a", "JSONArgsRecommended:2"},
		{"shell form with shell", "FROM known\nSHELL [\"cmd\",\"/C\"]\nCMD a", ""},
		{"maintainer", "FROM known\nMAINTAINER x", "MaintainerDeprecated:2"},
		{"from arg", "ARG TAG=x\nFROM known:$TAGS", "UndefinedArgInFrom:2"},
		{"from arg given", "ARG TAG=x\nFROM x:${TAG}", "BaseUnknown:2"},
		{"workdir", "FROM known\nWORKDIR app\nWORKDIR sub", "WorkdirRelativePath:2"},
		{"workdir rooted", "FROM known\nWORKDIR /app\nWORKDIR sub", ""},
		{"variable", "FROM known\nLABEL a=$NOPE", "UndefinedVar:2"},
		{"variable of the base, in other case", "FROM known\nLABEL a=$based", ""},
		{"variable of an unknown base", "FROM x\nLABEL a=$NOPE", "BaseUnknown:1"},
		{"variable declared", "FROM known\nARG A\nENV B=$A\nLABEL a=$B", ""},
		{"variable of a stage below", "FROM known AS a\nENV B=1\nFROM a\nLABEL a=$B", ""},
		{"variable with default", "FROM known\nLABEL a=${NOPE:-x}", "UndefinedVar:2"},
		{"two CMD", "FROM known\nCMD [\"a\"]\nCMD [\"b\"]", "MultipleInstructionsDisallowed:2"},
		{"two HEALTHCHECK", "FROM known\nHEALTHCHECK NONE\nHEALTHCHECK NONE", "MultipleInstructionsDisallowed:2"},
		{"legacy", "FROM known\nENV A b\nLABEL c d", "LegacyKeyValueFormat:2 LegacyKeyValueFormat:3"},
		{"platform", "FROM --platform=$TARGETPLATFORM known", "RedundantTargetPlatform:1"},
		{"constant platform", "FROM --platform=windows/amd64 known", "FromPlatformFlagConstDisallowed:1"},
		{"constant platform in the name", "FROM --platform=windows/amd64 known AS windows-app", ""},
		{"secret", "FROM known\nARG API_KEY\nENV DB_PASSWORD=x KEY_FILE=y MONKEY=z", "SecretsUsedInArgOrEnv:2 SecretsUsedInArgOrEnv:3"},
		{"empty default", "ARG BASE\nFROM $BASE", "InvalidDefaultArgInFrom:2"},
		{"ignored", "FROM known\nCOPY ignored.txt ./", "CopyIgnoredFile:2"},
		{"expose casing", "FROM known\nEXPOSE 80/TCP", "ExposeProtoCasing:2"},
		{"expose format", "FROM known\nEXPOSE 8080:80", "ExposeInvalidFormat:2"},
		{"json", "FROM known\nENTRYPOINT [\"C:\\app\\x.exe\"]", "JSONArgsRecommended:2 WindowsJSONBackslash:2"},
		{"path", "FROM known\nENV PATH=\"C:/x;${PATH}\"", "WindowsPathLost:2"},
		{"path without system", "FROM known\nENV Path=C:/x", "WindowsPathLost:2"},
		{"path whole", e + "FROM known\nENV PATH=C:\\x;C:\\Windows\\System32;C:\\Windows", ""},
		{"percent", e + "FROM known\nENV PATH=C:\\Windows\\System32;%PATH%", "WindowsPathLost:3"},
		{"path of the file", e + "FROM known\nENV PATH=C:\\Windows\\System32\nENV PATH=${PATH};C:\\x", ""},
		{"trailing", "FROM known\nCOPY a C:\\\\app\\\nRUN x", "WindowsTrailingBackslash:2"},
		{"trailing workdir", "FROM known\nWORKDIR C:\\\nRUN x", "WindowsTrailingBackslash:2 WorkdirRelativePath:2"},
		{"continued", "FROM known\nRUN echo a \\\n && b", ""},
		{"trailing escaped", e + "FROM known\nCOPY a C:\\app\\\nRUN x", ""},
		{"backslash", "FROM known\nWORKDIR C:\\app", "WindowsBackslashLost:2"},
		{"backslash doubled", "FROM known\nWORKDIR C:\\\\app\nCOPY a C:\\\\x\\\\", ""},
		{"backslash quoted", "FROM known\nCOPY a \"C:\\x\"", ""},
		{"shell errors", "FROM known\nSHELL [\"powershell\", \"-Command\"]", "WindowsShellErrors:2"},
		{"shell stops", "FROM known\nSHELL [\"powershell\", \"-Command\", \"$ErrorActionPreference = 'Stop';\"]", ""},
		{"inline", "FROM known\nRUN powershell -Command a; b", "WindowsShellErrors:2"},
		{"setx", e + "FROM known\nENV PATH=C:\\Windows\\System32\nRUN setx /M PATH C:\\x", "WindowsSetxPathLost:4"},
		{"setx alone", "FROM known\nRUN setx /M PATH x", ""},
		{"device", "FROM known\nCOPY x C:/nul", "WindowsFileName:2"},
		{"device source", "FROM known\nCOPY con.txt ./", "WindowsFileName:2"},
		{"folder", "FROM known\nWORKDIR /a*b", "WindowsFileName:2"},
		{"rights", "FROM known\nUSER containeruser\nRUN reg add HKLM\\\\SOFTWARE\\\\X", "WindowsUserRights:3"},
		{"rights of the administrator", "FROM known\nUSER ContainerAdministrator\nRUN setx /M A b", ""},
		{"stop signal", "FROM known\nSTOPSIGNAL 9", "WindowsStopSignal:2"},
		{"unknown base", "FROM x/y", "BaseUnknown:1"},
		{"skip in the file", "# check=skip=WindowsStopSignal,JSONArgsRecommended\nFROM known\nSTOPSIGNAL 9\nCMD a", ""},
		{"skip all", "# check=skip=all\nFROM known AS A\nSTOPSIGNAL 9", ""},
		{"skip one", "FROM known\n# check=skip=WindowsStopSignal\nSTOPSIGNAL 9\nSTOPSIGNAL 9", "WindowsStopSignal:4"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := strings.Join(check(t, test.text), " "); got != test.want {
				t.Errorf("found %q, want %q in\n%s", got, test.want, test.text)
			}
		})
	}
}

// FuzzCheck takes whatever text there is.
func FuzzCheck(f *testing.F) {
	f.Add("FROM x AS Y\nENV PATH=${PATH}\nCOPY a C:\\\\b\\\nRUN x")
	f.Add("# check=skip=all;error=true\nFROM --platform=$X scratch\nSHELL [\"\"]\nRUN <<E\nE\n")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := containerfile.Parse("Containerfile", strings.NewReader(text))
		if err != nil {
			return
		}
		lint.Check(file, lint.Options{Base: func(string) (*image.Config, bool) { return nil, false }})
	})
}
