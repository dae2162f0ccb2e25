package powershell

import (
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/mullion/mullion/runtime/offline/tools"
)

// newObject is New-Object and [type]::new().
func (in *interp) newObject(at pos, kind string, args []any) (any, error) {
	switch kind {
	case "net.webclient":
		return newObject("System.Net.WebClient", "Headers", newObject("System.Net.WebHeaderCollection"), "Encoding", nil, "UseDefaultCredentials", false, "Proxy", nil, "Credentials", nil), nil
	case "collections.arraylist":
		return &list{items: append([]any(nil), items(first(args))...), dynamic: true}, nil
	case "collections.hashtable", "collections.generic.dictionary[string,string]", "collections.generic.dictionary[string,object]":
		return newHash(), nil
	case "psobject", "management.automation.psobject", "object":
		o := newObject(custom)
		if h, ok := first(args).(*hashtable); ok {
			for _, i := range h.order() {
				o.props.set(toString(h.keys[i]), h.values[i])
			}
		}
		return o, nil
	case "text.stringbuilder":
		return newObject("System.Text.StringBuilder", "\x00text", toString(first(args))), nil
	case "text.utf8encoding":
		if truth(first(args)) {
			return encodingObject("utf8"), nil
		}
		return encodingObject("utf8nobom"), nil
	case "text.asciiencoding":
		return encodingObject("ascii"), nil
	case "text.unicodeencoding":
		return encodingObject("unicode"), nil
	case "xml", "xml.xmldocument":
		return newXMLDocument(), nil
	case "uri":
		if len(args) == 2 {
			base, err := url.Parse(toString(args[0]))
			if err == nil {
				if u, err := base.Parse(toString(args[1])); err == nil {
					return u, nil
				}
			}
			return nil, castError(args[1], "System.Uri")
		}
		return in.cast(first(args), &typeName{pos: at, name: "uri", text: "Uri"})
	case "version":
		parts := make([]string, len(args))
		for i, a := range args {
			parts[i] = toString(a)
		}
		return in.cast(strings.Join(parts, "."), &typeName{pos: at, name: "version", text: "Version"})
	case "timespan":
		n := make([]time.Duration, len(args))
		for i, a := range args {
			v, ok := toInt(a)
			if !ok {
				return nil, castError(a, "System.Int32")
			}
			n[i] = time.Duration(v)
		}
		switch len(n) {
		case 1:
			return n[0] * 100, nil
		case 3:
			return n[0]*time.Hour + n[1]*time.Minute + n[2]*time.Second, nil
		case 4:
			return n[0]*24*time.Hour + n[1]*time.Hour + n[2]*time.Minute + n[3]*time.Second, nil
		}
	case "string":
		if len(args) == 2 {
			n, ok := toInt(args[1])
			if ok && n >= 0 && n <= maxSpan {
				return strings.Repeat(toString(args[0]), int(n)), nil
			}
		}
	case "io.fileinfo", "io.directoryinfo":
		if f, ok := in.p.Find(toString(first(args))); ok {
			return fileItem{f}, nil
		}
		return nil, in.unsupported(at, "["+kind+"]", toString(first(args))+" does not exist")
	case "security.accesscontrol.filesystemaccessrule":
		return in.newRule(at, args)
	case "security.principal.ntaccount":
		if len(args) == 0 {
			return nil, in.unsupported(at, "NTAccount", "it takes the name of an account")
		}
		return toString(args[len(args)-1]), nil
	case "security.cryptography.sha256managed", "security.cryptography.sha256cryptoserviceprovider", "security.cryptography.sha1managed", "security.cryptography.md5cryptoserviceprovider", "security.cryptography.sha512managed":
		name := strings.ToUpper(strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(kind, "security.cryptography."), "managed"), "cryptoserviceprovider"))
		return newObject("System.Security.Cryptography."+name, "\x00hash", name), nil
	}
	if strings.HasPrefix(kind, "collections.generic.list[") {
		l := &list{dynamic: true, generic: true}
		l.items = append(l.items, items(first(args))...)
		return l, nil
	}
	if strings.HasSuffix(kind, "exception") {
		full := "System." + kind
		return newObject(full, "Message", toString(first(args)), "InnerException", nil, "\x00text", full+": "+toString(first(args))), nil
	}
	return nil, in.unsupported(at, "New-Object "+kind, "this type is not known without Windows")
}

// objectMethods are the methods of objects, by "type.method" in lower case.
var objectMethods = map[string]method{}

func init() {
	download := func(c *methodCall) (io.ReadCloser, error) {
		headers := newHash()
		if o, ok := c.on.(*object); ok {
			if h, ok := o.props.get("Headers"); ok {
				headers = h.(*object).props
			}
		}
		resp, err := c.in.fetch(c.at, request{method: "GET", address: c.str(0), headers: headers})
		if err != nil {
			return nil, err
		}
		return resp.Body, nil
	}
	hash := func(c *methodCall) (any, error) {
		name, _ := c.on.(*object).props.get("\x00hash")
		h := tools.NewHash(toString(name))
		if o, ok := first(c.args).(*object); ok {
			if b, ok := o.props.get("\x00bytes"); ok {
				h.Write(b.(byteArray))
				return byteArray(h.Sum(nil)), nil
			}
		}
		b, err := toBytes(first(c.args))
		if err != nil {
			return nil, err
		}
		data, _ := b.(byteArray)
		h.Write(data)
		return byteArray(h.Sum(nil)), nil
	}
	for name, m := range map[string]method{
		"net.webclient.downloadfile": func(c *methodCall) (any, error) {
			body, err := download(c)
			if err != nil {
				return nil, err
			}
			defer body.Close()
			to, err := c.in.path(c.at, c.str(1))
			if err != nil {
				return nil, err
			}
			if err := c.in.p.Files.WriteFile(to, body); err != nil {
				return nil, c.fail(methodInvocation, "Exception calling \"DownloadFile\" with \"2\" argument(s): \"%v\"", err)
			}
			return nothing{}, nil
		},
		"net.webclient.downloadstring": func(c *methodCall) (any, error) {
			body, err := download(c)
			if err != nil {
				return nil, err
			}
			defer body.Close()
			b, err := io.ReadAll(io.LimitReader(body, maxText))
			return decode(b, "utf8"), err
		},
		"net.webclient.downloaddata": func(c *methodCall) (any, error) {
			body, err := download(c)
			if err != nil {
				return nil, err
			}
			defer body.Close()
			b, err := io.ReadAll(io.LimitReader(body, maxText))
			return byteArray(b), err
		},
		"net.webheadercollection.add": func(c *methodCall) (any, error) {
			name, value := c.str(0), c.str(1)
			if len(c.args) == 1 {
				name, value, _ = strings.Cut(c.str(0), ":")
			}
			c.on.(*object).props.set(name, strings.TrimSpace(value))
			return nothing{}, nil
		},
		"text.encoding.getbytes": func(c *methodCall) (any, error) {
			name, _ := c.on.(*object).props.get("WebName")
			how := toString(name)
			if how == "utf8" {
				how = "utf8nobom"
			} else if how == "unicode" || how == "bigendianunicode" {
				how += "nobom"
			}
			b, err := c.in.encode(c.at, c.str(0), how)
			return byteArray(b), err
		},
		"text.encoding.getstring": func(c *methodCall) (any, error) {
			b, err := toBytes(first(c.args))
			if err != nil {
				return nil, err
			}
			data, _ := b.(byteArray)
			name, _ := c.on.(*object).props.get("WebName")
			return decode(data, toString(name)), nil
		},
		"text.stringbuilder.append": func(c *methodCall) (any, error) {
			o := c.on.(*object)
			old, _ := o.props.get("\x00text")
			o.props.set("\x00text", toString(old)+c.str(0))
			return o, nil
		},
		"text.stringbuilder.appendline": func(c *methodCall) (any, error) {
			o := c.on.(*object)
			old, _ := o.props.get("\x00text")
			o.props.set("\x00text", toString(old)+c.str(0)+"\r\n")
			return o, nil
		},
		"diagnostics.process.waitforexit": func(c *methodCall) (any, error) {
			if len(c.args) > 0 {
				return true, nil
			}
			return nothing{}, nil
		},
	} {
		objectMethods[name] = m
	}
	for _, name := range []string{"md5", "sha1", "sha256", "sha384", "sha512"} {
		objectMethods["security.cryptography."+name+".computehash"] = hash
	}
}
