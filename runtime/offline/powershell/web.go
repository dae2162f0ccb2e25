package powershell

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"
)

// request is a call by HTTP.
type request struct {
	method, address, body, agent string
	headers                      *hashtable
	redirects                    int // 0 for as many as usual, below for none
}

const webException = "System.Net.WebException"

// fetch asks for a URL. An answer of 400 or more is an error of the script.
func (in *interp) fetch(at pos, r request) (*http.Response, error) {
	if !strings.Contains(r.address, "://") {
		r.address = "http://" + r.address
	}
	u, err := url.Parse(strings.TrimSpace(r.address))
	if err != nil || u.Host == "" {
		return nil, in.raise(at, "System.UriFormatException", "Invalid URI: The hostname could not be parsed: %s", r.address)
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, in.unsupported(at, r.address, "only http and https are known without Windows")
	}
	if in.p.Web == nil {
		return nil, in.raise(at, webException, "The remote name could not be resolved: '%s' (the build has no network: --network=none)", u.Hostname())
	}
	req, err := http.NewRequestWithContext(in.ctx, r.method, u.String(), strings.NewReader(r.body))
	if err != nil {
		return nil, in.raise(at, "System.UriFormatException", "%v", err)
	}
	if r.agent == "" {
		r.agent = "Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.20348.2227"
	}
	req.Header.Set("User-Agent", r.agent)
	if r.headers != nil {
		for i, k := range r.headers.keys {
			req.Header.Set(toString(k), toString(r.headers.values[i]))
		}
	}
	client := *in.p.Web
	if r.redirects < 0 {
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	resp, err := client.Do(req)
	if in.ctx.Err() != nil {
		return nil, in.ctx.Err()
	}
	if err != nil {
		return nil, in.raise(at, webException, "Unable to connect to the remote server: %v", err)
	}
	if resp.StatusCode >= 400 {
		resp.Body.Close()
		return nil, in.raise(at, webException, "The remote server returned an error: (%d) %s.", resp.StatusCode, http.StatusText(resp.StatusCode))
	}
	return resp, nil
}

const webParams = "Uri@0 OutFile Headers UserAgent Method Body| ContentType UseBasicParsing! MaximumRedirection TimeoutSec- PassThru! DisableKeepAlive! SslProtocol- HttpVersion- " +
	"MaximumRetryCount- RetryIntervalSec- SkipHttpErrorCheck! ConnectionTimeoutSeconds- OperationTimeoutSeconds- "

func init() {
	add("Invoke-WebRequest", webParams, func(c *call) error {
		resp, b, err := c.answer()
		if err != nil || resp == nil {
			return err
		}
		headers := newHash()
		for name := range resp.Header {
			headers.set(name, resp.Header.Get(name))
		}
		var content any = decode(b, "utf8")
		if kind := resp.Header.Get("Content-Type"); strings.HasPrefix(kind, "application/octet-stream") {
			content = byteArray(b)
		}
		return c.out(newObject("Microsoft.PowerShell.Commands.BasicHtmlWebResponseObject", "StatusCode", int64(resp.StatusCode), "StatusDescription", http.StatusText(resp.StatusCode),
			"Content", content, "Headers", headers, "RawContentLength", int64(len(b))))
	})
	add("Invoke-RestMethod", webParams, func(c *call) error {
		resp, b, err := c.answer()
		if err != nil || resp == nil {
			return err
		}
		text := decode(b, "utf8")
		if v, err := parseJSON(text); err == nil {
			return emit(v, c.out)
		}
		if strings.Contains(resp.Header.Get("Content-Type"), "xml") {
			v, err := parseXML(text)
			if err != nil {
				return err
			}
			return c.out(v)
		}
		return c.out(text)
	})
	add("Start-BitsTransfer", "Source@0 Destination@1 Description DisplayName Priority TransferType Asynchronous!", func(c *call) error {
		if c.flag("Asynchronous") {
			return c.unknown("-Asynchronous is not known without Windows")
		}
		targets := c.strs("Destination")
		for i, address := range c.strs("Source") {
			to := "."
			if i < len(targets) {
				to = targets[i]
			}
			if f, ok := c.in.p.Find(to); ok && f.IsDir() {
				to = joinPath(to, path.Base(address))
			}
			resp, err := c.in.fetch(c.at, request{method: "GET", address: address})
			if err != nil {
				return err
			}
			err = c.save(resp, to)
			resp.Body.Close()
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// answer asks, and reads what comes back; resp is nil when it went into a file.
func (c *call) answer() (resp *http.Response, b []byte, err error) {
	if resp, err = c.ask(); err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	if c.has("OutFile") {
		return nil, nil, c.save(resp, c.str("OutFile"))
	}
	if b, err = io.ReadAll(io.LimitReader(resp.Body, maxText)); err != nil {
		return nil, nil, c.fail(webException, "The connection was closed: %v", err)
	}
	return resp, b, nil
}

func (c *call) ask() (*http.Response, error) {
	method := strings.ToUpper(c.str("Method"))
	if method == "" || method == "DEFAULT" {
		method = "GET"
	}
	if c.flag("SkipHttpErrorCheck") {
		return nil, c.unknown("-SkipHttpErrorCheck is not known without Windows")
	}
	redirects, err := c.number("MaximumRedirection", 1)
	if err != nil {
		return nil, err
	}
	if redirects == 0 {
		redirects = -1
	}
	headers := newHash()
	if c.has("Headers") {
		h, ok := c.args["Headers"].(*hashtable)
		if !ok {
			return nil, c.fail("System.Management.Automation.ParameterBindingException", "Cannot bind parameter 'Headers'. Cannot convert the value to type \"System.Collections.IDictionary\".")
		}
		for i, k := range h.keys {
			headers.set(k, h.values[i])
		}
	}
	body := ""
	if c.has("Body") || len(c.all) > 0 {
		switch v := single(c.input("Body")).(type) {
		case *hashtable:
			form := url.Values{}
			for i, k := range v.keys {
				form.Set(toString(k), toString(v.values[i]))
			}
			if body = form.Encode(); method != "GET" {
				headers.set("Content-Type", "application/x-www-form-urlencoded")
			}
		default:
			body = toString(v)
		}
	}
	if c.has("ContentType") {
		headers.set("Content-Type", c.str("ContentType"))
	}
	address := c.str("Uri")
	if method == "GET" && body != "" {
		address, body = address+"?"+body, ""
	}
	return c.in.fetch(c.at, request{method: method, address: address, body: body, agent: c.str("UserAgent"), headers: headers, redirects: redirects})
}

// save writes an answer to a file.
func (c *call) save(resp *http.Response, file string) error {
	to, err := c.in.path(c.at, file)
	if err != nil {
		return err
	}
	if f, err := c.in.p.Files.Resolve(to); err == nil && f.IsDir() {
		if !c.in.core {
			return c.fail("System.UnauthorizedAccessException", "Access to the path '%s' is denied.", file)
		}
		to = strings.TrimPrefix(to+"/"+path.Base(resp.Request.URL.Path), "/")
	}
	if err := c.parent(to, false); err != nil {
		return err
	}
	if err := c.in.p.Files.WriteFile(to, resp.Body); err != nil {
		if c.in.ctx.Err() != nil {
			return c.in.ctx.Err()
		}
		return fmt.Errorf("download %s: %w", resp.Request.URL.Redacted(), err)
	}
	return nil
}
