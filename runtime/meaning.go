package runtime

// Meaning says what an exit code means, such as "DLL not found" for 0xC0000135,
// or "" for one that only the program itself knows. Codes from 0xC0000000 on are
// NTSTATUS values ([MS-ERREF] 2.3.1) that Windows ends a process with; 3010 and
// 1641 are what installers agree on.
func Meaning(code uint32) string {
	switch code {
	case 1641:
		return "success, a restart was started"
	case 3010:
		return "success, a restart is required"
	case 0x40010004:
		return "ended by a debugger or at shutdown"
	case 0x80000003:
		return "breakpoint"
	case 0xC0000005:
		return "access violation"
	case 0xC000001D:
		return "illegal instruction"
	case 0xC0000094:
		return "integer division by zero"
	case 0xC00000FD:
		return "stack overflow"
	case 0xC0000135:
		return "DLL not found"
	case 0xC0000139:
		return "entry point not found in a DLL"
	case 0xC000013A:
		return "ended by Ctrl+C"
	case 0xC0000142:
		return "DLL initialization failed"
	case 0xC0000374:
		return "heap corruption"
	case 0xC0000409:
		return "stack buffer overrun or fail-fast"
	case 0xC000007B:
		return "invalid image format"
	case 0xE0434352:
		return "unhandled .NET exception"
	}
	return ""
}
