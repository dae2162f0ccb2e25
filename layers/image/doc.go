// Package image knows what is around the layers of a Windows image: how it is named and chosen by platform, what its
// configuration says and how that becomes a command line, and how layers, configuration and manifest get into a store.
//
// A reference names an image, a [Platform] picks one out of an index, an [Image] is what [Load] found. [Commit] turns a
// [view.Scratch] into a layer, [ScratchBase] makes the layer that FROM scratch stands for, and [Write] puts an image
// together. Everything written is the same bytes for the same input.
package image
