// Package oci is process isolation on Linux: the Windows program runs under Wine
// in namespaces of the host's own kernel, made by runc or crun.
package oci
