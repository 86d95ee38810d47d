//go:build tools

// Package loki only keeps the requirement on Loki's main package in go.mod;
// build.sh builds that package, nothing here is ever compiled.
package loki

import (
	_ "github.com/grafana/loki/v3/cmd/loki"
)
