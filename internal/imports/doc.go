// Package imports holds the rules of who may import whom, as a test. The rules keep the library packages usable alone,
// each third-party library behind one wall, and the isolations ignorant of each other.
package imports
