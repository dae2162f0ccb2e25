package nt

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// The binary form of a condition is a signature, then tokens in postfix order, then zeros up to a multiple of four
// bytes, MS-DTYP 2.4.4.17.
const conditionSign = "artx"

const (
	tokenInt64  = 0x04
	tokenString = 0x10
	tokenOctets = 0x18
	tokenList   = 0x50
	tokenSID    = 0x51
	tokenAnd    = 0xa0
	tokenOr     = 0xa1
	tokenNot    = 0xa2
	tokenAttr   = 0xf8 // of the file itself; then those of the user, the resource and the device
)

const (
	maxConditionDepth = 64
	maxOperands       = 256
)

type operator struct {
	name string
	code byte
}

var (
	attrScopes = [...]string{"", "@User.", "@Resource.", "@Device."}
	// Longer names come before their beginnings.
	prefixOperators = [...]operator{
		{"Not_Device_Member_of_Any", 0x93}, {"Not_Device_Member_of", 0x91}, {"Not_Member_of_Any", 0x92}, {"Not_Member_of", 0x90},
		{"Device_Member_of_Any", 0x8c}, {"Device_Member_of", 0x8a}, {"Member_of_Any", 0x8b}, {"Member_of", 0x89},
		{"Not_Exists", 0x8d}, {"Exists", 0x87},
	}
	infixOperators = [...]operator{
		{"==", 0x80}, {"!=", 0x81}, {"<=", 0x83}, {"<", 0x82}, {">=", 0x85}, {">", 0x84},
		{"Not_Contains", 0x8e}, {"Contains", 0x86}, {"Not_Any_of", 0x8f}, {"Any_of", 0x88},
	}
)

// conditionText writes a condition in words, if reading them gives the same bytes.
func conditionText(data []byte) (string, bool) {
	tokens, ok := strings.CutPrefix(string(data), conditionSign)
	if !ok {
		return "", false
	}
	r := conditionReader{rest: tokens}
	text, ok := r.read()
	if !ok {
		return "", false
	}
	if again, err := parseCondition(text); err != nil || string(again) != string(data) {
		return "", false
	}
	return text, true
}

// conditionReader turns tokens into text.
type conditionReader struct {
	rest  string
	stack []operand
}

type operand struct {
	text  string
	depth int
}

func (r *conditionReader) read() (string, bool) {
	for r.rest != "" && r.rest[0] != 0 {
		if !r.token() {
			return "", false
		}
	}
	if len(r.stack) != 1 {
		return "", false
	}
	text := r.stack[0].text
	if text[0] != '(' {
		text = "(" + text + ")"
	}
	return text, true
}

func (r *conditionReader) token() bool {
	code := r.rest[0]
	if literal, n := readOperand(r.rest, 0); n > 0 {
		r.rest = r.rest[n:]
		r.stack = append(r.stack, operand{text: literal})
		return len(r.stack) <= maxOperands
	}
	r.rest = r.rest[1:]
	switch code {
	case tokenAnd:
		return r.join(2, "(%s && %s)")
	case tokenOr:
		return r.join(2, "(%s || %s)")
	case tokenNot:
		return r.join(1, "(!%s)")
	}
	for _, o := range prefixOperators {
		if o.code == code {
			return r.join(1, "("+o.name+" %s)")
		}
	}
	for _, o := range infixOperators {
		if o.code == code {
			return r.join(2, "(%s "+o.name+" %s)")
		}
	}
	return false
}

// join replaces the last n operands by what an operator makes of them.
func (r *conditionReader) join(n int, format string) bool {
	if len(r.stack) < n {
		return false
	}
	var texts []any
	depth := 0
	for _, o := range r.stack[len(r.stack)-n:] {
		texts = append(texts, o.text)
		depth = max(depth, o.depth)
	}
	r.stack = append(r.stack[:len(r.stack)-n], operand{fmt.Sprintf(format, texts...), depth + 1})
	return depth < maxConditionDepth
}

// readOperand reads a literal or the name of an attribute and how many bytes it takes, 0 if it is neither.
func readOperand(s string, depth int) (text string, n int) {
	if s[0] == tokenInt64 {
		return readInt(s)
	}
	if len(s) < 5 {
		return "", 0
	}
	size := binary.LittleEndian.Uint32([]byte(s[1:5]))
	if uint64(size) > uint64(len(s)-5) {
		return "", 0
	}
	n = 5 + int(size)
	body := s[5:n]
	switch code := s[0]; {
	case code == tokenString:
		return `"` + FromUTF16Bytes([]byte(body)) + `"`, n
	case code == tokenOctets:
		return "#" + hex.EncodeToString([]byte(body)), n
	case code == tokenSID:
		return "SID(" + sddlSID(SID(body)) + ")", n
	case code >= tokenAttr && body != "":
		if scope := int(code - tokenAttr); scope < len(attrScopes) {
			return attrScopes[scope] + escapeAttr(FromUTF16Bytes([]byte(body))), n
		}
	case code == tokenList && depth == 0:
		return readList(body, n)
	}
	return "", 0
}

func readList(body string, n int) (string, int) {
	var parts []string
	for body != "" {
		part, used := readOperand(body, 1)
		if used == 0 {
			return "", 0
		}
		parts, body = append(parts, part), body[used:]
	}
	return "{" + strings.Join(parts, ", ") + "}", n
}

// Signs and bases of an integer, after its eight bytes.
const (
	signPlus, signMinus, signNone       = 1, 2, 3
	baseOctal, baseDecimal, baseHex     = 1, 2, 3
	intSize                         int = 11
)

func readInt(s string) (string, int) {
	if len(s) < intSize {
		return "", 0
	}
	v := int64(binary.LittleEndian.Uint64([]byte(s[1:9])))
	sign := map[byte]string{signPlus: "+", signMinus: "-"}[s[9]]
	if s[9] == signMinus {
		v = -v
	}
	switch s[10] {
	case baseOctal:
		return sign + "0" + strconv.FormatInt(v, 8), intSize
	case baseHex:
		return sign + "0x" + strconv.FormatInt(v, 16), intSize
	}
	return sign + strconv.FormatInt(v, 10), intSize
}

// plainAttr reports whether a character of an attribute's name stands for itself.
func plainAttr(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || strings.IndexByte(":./_", c) >= 0
}

func escapeAttr(name string) string {
	var b strings.Builder
	for _, u := range UTF16(name) {
		if u < 0x80 && plainAttr(byte(u)) {
			b.WriteByte(byte(u))
		} else {
			fmt.Fprintf(&b, "%%%04x", u)
		}
	}
	return b.String()
}
