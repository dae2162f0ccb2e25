package tools

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"

	"github.com/mullion/mullion/runtime/offline/proc"
)

// The exit codes of curl that can come up here (curl(1), EXIT CODES).
const (
	curlMalformed = 3
	curlResolve   = 6
	curlConnect   = 7
	curlHTTP      = 22
	curlWrite     = 23
	curlTimeout   = 28
	curlTLS       = 60
)

// curlCall is a call of curl.
type curlCall struct {
	urls, outs                    []string // outs: "" for the URL's own name, "-" for the output
	headers                       []string
	fail, silent, showErrors, loc bool
	head, makeDirs                bool
	agent, user, dir              string
	retry                         int
}

// curl downloads by HTTP.
func curl(ctx context.Context, p *proc.Process, args []string) (uint32, error) {
	c, why := parseCurl(args)
	if why != "" {
		return 0, &proc.Unsupported{Command: "curl " + strings.Join(args, " "), Why: why}
	}
	if len(c.urls) == 0 {
		p.Complain("curl: no URL specified!")
		p.Complain("curl: try 'curl --help' or 'curl --manual' for more information")
		return 2, nil
	}
	code := uint32(0)
	for i, u := range c.urls {
		out := "-"
		if i < len(c.outs) {
			out = c.outs[i]
		}
		var err error
		if code, err = c.fetch(ctx, p, u, out); err != nil {
			return 0, err
		}
	}
	return code, nil
}

func (c *curlCall) fetch(ctx context.Context, p *proc.Process, address, out string) (uint32, error) {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return c.failed(p, curlMalformed, "URL using bad/illegal format or missing URL"), nil
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return 0, &proc.Unsupported{Command: "curl " + address, Why: "only http and https are known without Windows"}
	}
	if out == "" {
		if out = path.Base(u.Path); out == "." || out == "/" {
			p.Complain("curl: Remote file name has no length!")
			return curlWrite, nil
		}
	}
	if c.dir != "" && out != "-" {
		out = c.dir + `\` + out
	}
	resp, code, err := c.get(ctx, p, u)
	if resp == nil || err != nil {
		return code, err
	}
	defer resp.Body.Close()
	if c.fail && resp.StatusCode >= 400 {
		return c.failed(p, curlHTTP, fmt.Sprintf("The requested URL returned error: %d", resp.StatusCode)), nil
	}
	if c.head {
		fmt.Fprintf(p.Stdout, "%s %s\r\n", resp.Proto, resp.Status)
		return 0, nil
	}
	if out == "-" {
		_, err := io.Copy(p.Stdout, resp.Body)
		return 0, err
	}
	to, err := p.Path(out)
	if err == nil && c.makeDirs {
		if i := strings.LastIndexByte(to, '/'); i > 0 {
			err = p.Files.MkdirAll(to[:i])
		}
	}
	if err == nil {
		err = p.Files.WriteFile(to, resp.Body)
	}
	if err != nil {
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		return c.failed(p, curlWrite, err.Error()), nil
	}
	return 0, nil
}

// get asks for a URL as often as --retry allows; resp is nil after a complaint.
func (c *curlCall) get(ctx context.Context, p *proc.Process, u *url.URL) (resp *http.Response, code uint32, err error) {
	if p.Web == nil {
		return nil, c.failed(p, curlResolve, "Could not resolve host: "+u.Hostname()+" (the build has no network: --network=none)"), nil
	}
	method := http.MethodGet
	if c.head {
		method = http.MethodHead
	}
	client := *p.Web
	if !c.loc {
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	for try := 0; ; try++ {
		req, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
		if err != nil {
			return nil, c.failed(p, curlMalformed, err.Error()), nil
		}
		req.Header.Set("User-Agent", "curl/8.4.0")
		if c.agent != "" {
			req.Header.Set("User-Agent", c.agent)
		}
		for _, h := range c.headers {
			name, value, _ := strings.Cut(h, ":")
			req.Header.Set(name, strings.TrimSpace(value))
		}
		if c.user != "" {
			name, password, _ := strings.Cut(c.user, ":")
			req.SetBasicAuth(name, password)
		}
		resp, err := client.Do(req)
		again := err != nil || resp.StatusCode == 408 || resp.StatusCode == 429 || resp.StatusCode >= 500
		if ctx.Err() != nil {
			return nil, 0, ctx.Err()
		}
		if again && try < c.retry {
			if err == nil {
				resp.Body.Close()
			}
			continue
		}
		if err != nil {
			return nil, c.failed(p, curlCode(err), err.Error()), nil
		}
		return resp, 0, nil
	}
}

func curlCode(err error) uint32 {
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &dns):
		return curlResolve
	case errors.As(err, &timeout) && timeout.Timeout():
		return curlTimeout
	case strings.Contains(err.Error(), "x509"), strings.Contains(err.Error(), "tls:"):
		return curlTLS
	}
	return curlConnect
}

func (c *curlCall) failed(p *proc.Process, code uint32, why string) uint32 {
	if !c.silent || c.showErrors {
		p.Complain("curl: (%d) %s", code, why)
	}
	return code
}

// curlValues are the options with a value, by their long name.
var curlValues = map[byte]string{
	'o': "output", 'H': "header", 'A': "user-agent", 'u': "user", 'm': "max-time", 'e': "referer", 'C': "continue-at",
}

var curlFlags = map[byte]string{
	'f': "fail", 's': "silent", 'S': "show-error", 'L': "location", 'O': "remote-name", 'I': "head", '#': "progress-bar", 'k': "insecure",
	'g': "globoff", 'R': "remote-time", 'J': "remote-header-name",
}

// parseCurl reads curl's arguments; why says what is not known.
func parseCurl(args []string) (c curlCall, why string) {
	for i := 0; i < len(args) && why == ""; i++ {
		a := args[i]
		value := func(rest string) string {
			if rest != "" {
				return rest
			}
			if i++; i < len(args) {
				return args[i]
			}
			why = a + " has no value"
			return ""
		}
		switch {
		case strings.HasPrefix(a, "--"):
			name := a[2:]
			if takesValue(name) {
				why = first(c.option(name, value("")), why)
			} else {
				why = c.option(name, "")
			}
		case strings.HasPrefix(a, "-") && len(a) > 1:
			for k := 1; k < len(a) && why == ""; k++ {
				if name, ok := curlValues[a[k]]; ok {
					why = first(c.option(name, value(a[k+1:])), why)
					break
				}
				name, ok := curlFlags[a[k]]
				if !ok {
					why = "-" + a[k:k+1] + " is not known without Windows"
					break
				}
				why = c.option(name, "")
			}
		default:
			c.urls = append(c.urls, a)
		}
	}
	return c, why
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func takesValue(name string) bool {
	for _, long := range curlValues {
		if name == long {
			return true
		}
	}
	switch name {
	case "retry", "retry-delay", "retry-max-time", "connect-timeout", "url", "output-dir", "proto", "max-redirs":
		return true
	}
	return false
}

// option takes one option in; it returns why it cannot.
func (c *curlCall) option(name, value string) string {
	switch name {
	case "output":
		c.outs = append(c.outs, value)
	case "remote-name":
		c.outs = append(c.outs, "")
	case "output-dir":
		c.dir = value
	case "create-dirs":
		c.makeDirs = true
	case "url":
		c.urls = append(c.urls, value)
	case "header":
		if !strings.Contains(value, ":") {
			return "a header is NAME: VALUE"
		}
		c.headers = append(c.headers, value)
	case "user-agent":
		c.agent = value
	case "user":
		c.user = value
	case "retry":
		n, err := strconv.Atoi(value)
		if err != nil || n < 0 {
			return value + " is not a number"
		}
		c.retry = min(n, 10)
	case "fail", "fail-with-body":
		c.fail = true
	case "silent":
		c.silent = true
	case "show-error":
		c.showErrors = true
	case "location":
		c.loc = true
	case "head":
		c.head = true
	case "progress-bar", "no-progress-meter", "globoff", "remote-time", "ssl-no-revoke", "compressed", "retry-delay", "retry-max-time",
		"retry-connrefused", "retry-all-errors", "connect-timeout", "max-time", "proto", "tlsv1.2", "tlsv1.3", "http1.1", "max-redirs":
	case "insecure":
		return "the certificate is always checked here; leave --insecure out"
	default:
		return "--" + name + " is not known without Windows"
	}
	return ""
}
