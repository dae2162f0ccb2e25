package offline

import (
	"path"
	"slices"
	"strings"

	"github.com/mullion/mullion/internal/nt"
	"github.com/mullion/mullion/runtime/offline/cmdexe"
	"github.com/mullion/mullion/runtime/offline/powershell"
	"github.com/mullion/mullion/runtime/offline/tools"
)

// How says what carries a command out.
type How string

// From the least demanding to the most.
const (
	Offline How = "offline" // the shells here
	Wine    How = "wine"    // a program, which may run under Wine
	Windows How = "windows" // Windows only
)

func (h How) rank() int { return slices.Index([]How{Offline, Wine, Windows}, h) }

// Explanation is what the most demanding command of a command line needs.
type Explanation struct {
	How     How
	Command string // as written; "" if How is Offline
	Reason  string
	Hint    string // the nearest way out
}

// Explain tells, without running anything, what a command line needs. What depends
// on values that a script computes cannot be told beforehand: such a command may
// need more.
func Explain(commandLine string) Explanation { return explain(commandLine, 0) }

const (
	hintCopy    = "COPY in what the command would make, or build this stage on Windows and name it in FROM"
	hintProgram = "it runs under Wine; --run=offline would refuse it"
)

func explain(line string, depth int) Explanation {
	worst := Explanation{How: Offline}
	consider := func(e Explanation) {
		if e.How.rank() > worst.How.rank() {
			worst = e
		}
	}
	windows := func(command, why string) Explanation { return Explanation{Windows, command, why, hintCopy} }
	if depth > maxDepth {
		return windows(line, "the commands are nested too deeply")
	}
	name, rest := cmdexe.SplitProgram(line)
	base := strings.TrimSuffix(strings.ToLower(path.Base(strings.ReplaceAll(name, `\`, "/"))), ".exe")
	bare := !strings.ContainsAny(name, `\/`) || strings.Contains(strings.ToLower(name), `\system32\`)
	switch {
	case base == "cmd":
		list, err := cmdexe.Commands(rest)
		if err != nil {
			return windows(line, err.Error())
		}
		for _, command := range list {
			consider(explainCommand(command, depth))
		}
	case base == "powershell" || base == "pwsh":
		for _, n := range powershell.Explain(nt.SplitCommandLine(line)[1:], base == "pwsh") {
			if n.Program != "" {
				e := explain(n.Program, depth+1)
				if e.How != Offline {
					e.Command = n.Command
				}
				consider(e)
				continue
			}
			consider(windows(n.Command, n.Why))
		}
	case onlyWindows(base) != "":
		return windows(line, onlyWindows(base))
	case bare && isTool(base):
	case strings.HasSuffix(base, ".ps1") || strings.HasSuffix(base, ".bat") || strings.HasSuffix(base, ".cmd"):
		return Explanation{Wine, line, "what the script does is known only when it runs", "its own lines are carried out here as those of RUN are"}
	case strings.ContainsAny(name, "%$!"):
		return Explanation{Wine, line, "which program this is is known only when it runs", hintProgram}
	default:
		return Explanation{Wine, line, name + " is a program", hintProgram}
	}
	return worst
}

func isTool(base string) bool { _, ok := tools.Find(base); return ok }

// explainCommand is a command of cmd: one of its own, or a program.
func explainCommand(command string, depth int) Explanation {
	name, rest := cmdexe.SplitProgram(command)
	if strings.EqualFold(name, "call") || strings.EqualFold(name, "start") {
		rest = strings.TrimSpace(rest)
		for strings.HasPrefix(rest, "/") || strings.EqualFold(name, "start") && strings.HasPrefix(rest, `"`) && strings.Count(rest, `"`) >= 2 && len(rest) > strings.Index(rest[1:], `"`)+2 {
			if strings.HasPrefix(rest, "/") {
				_, rest = cmdexe.SplitProgram(rest)
			} else {
				rest = rest[strings.Index(rest[1:], `"`)+2:]
			}
			rest = strings.TrimSpace(rest)
		}
		if rest == "" || strings.HasPrefix(rest, ":") {
			return Explanation{How: Offline}
		}
		return explainCommand(rest, depth+1)
	}
	own, known := cmdexe.Builtin(command)
	switch {
	case known:
		return Explanation{How: Offline}
	case own:
		return Explanation{Windows, command, "this command is not known without Windows", hintCopy}
	}
	return explain(command, depth+1)
}

// onlyWindows says why a program has no chance under Wine; "" if it may have one.
func onlyWindows(base string) string {
	for _, p := range []struct{ names, why string }{
		{"dism pkgmgr ocsetup wusa", "changes the features of Windows, which only Windows can"},
		{"iisreset appcmd aspnet_regiis", "configures IIS, which only Windows has"},
		{"ngen", "compiles for the .NET Framework, which only Windows has"},
		{"vs_buildtools vs_community vs_professional vs_enterprise vs_installer", "installs Visual Studio, whose installer needs Windows"},
		{"choco cinst chocolatey", "needs the .NET Framework, which only Windows has"},
		{"winget scoop", "is a package manager that needs Windows"},
		{"sqlcmd sqlpackage", "needs a running SQL Server"},
		{"net", "changes accounts and services of a running Windows"},
		{"cacls", "is an old form of icacls, which is known here"},
		{"schtasks wmic bcdedit fsutil powercfg netsh gpupdate secedit auditpol regsvr32 lodctr gacutil w32tm tzutil", "changes a running Windows"},
	} {
		if slices.Contains(strings.Fields(p.names), base) {
			return p.why
		}
	}
	return ""
}
