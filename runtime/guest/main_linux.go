package guest

// Main is called first thing in main of every binary that starts containers. In
// a process that was started as the guest it does the guest's work and exits; in
// any other it returns at once.
func Main() {}
