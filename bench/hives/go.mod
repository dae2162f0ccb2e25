module github.com/mullion/mullion/bench/hives

go 1.26.0

require (
	github.com/mullion/mullion v0.0.0
	www.velocidex.com/golang/regparser v0.0.0-20250203141505-31e704a67ef7
)

require github.com/davecgh/go-spew v1.1.1 // indirect

replace github.com/mullion/mullion => ../..
