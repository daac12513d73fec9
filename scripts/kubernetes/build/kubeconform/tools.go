//go:build tools

// Package tools names the program that validates what the chart renders.
package tools

import _ "github.com/yannh/kubeconform/cmd/kubeconform"
