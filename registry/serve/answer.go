package serve

import (
	"encoding/json"
	"net/http"
)

// problem is one error as the distribution API words it.
type problem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// fail answers with one of the distribution specification's error codes.
func fail(w http.ResponseWriter, status int, code, message string) {
	writeJSON(w, status, map[string][]problem{"errors": {{Code: code, Message: message}}})
}

// failStore answers for a store that does not do what it should.
func failStore(w http.ResponseWriter, err error) {
	fail(w, http.StatusInternalServerError, "UNKNOWN", err.Error())
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that has gone need not hear of it
}
