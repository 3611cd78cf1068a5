package cli

import (
	"fmt"
	"os"

	"golang.org/x/term"

	"github.com/iotops/iotops/pkg/fault"
)

// Password asks for a text on the terminal without showing it. It is only for
// where InTTY says that there is one.
func (s *IO) Password(prompt string) (string, error) {
	file, ok := s.In.(*os.File)
	if !ok {
		return "", fault.New(fault.Invalid, "there is no terminal to ask on")
	}
	_, _ = fmt.Fprint(s.ErrOut, prompt)
	text, err := term.ReadPassword(int(file.Fd())) //nolint:gosec // a descriptor fits
	_, _ = fmt.Fprintln(s.ErrOut)
	if err != nil {
		return "", fault.As(fault.Invalid, err, "read from the terminal")
	}
	return string(text), nil
}
