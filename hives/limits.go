package hives

// What a hive may hold, by Windows' limits or, where it has none, by ours. Readers
// and writers use the same numbers.
const (
	maxFile      = 1<<31 - 4096 // offsets stay below 0x80000000
	maxDepth     = 512          // levels of keys below the root
	maxKeyName   = 255          // UTF-16 units that a program can create
	maxValueName = 16383        // UTF-16 units
	maxData      = 64 << 20     // bytes of one value
	maxClass     = 1<<16 - 2    // bytes of a class name
	maxSD        = 1<<16 - 1    // bytes of a security descriptor
	maxOverlays  = 126          // deltas in a stack (Windows since build 15025)
)
