package app

import (
	"strings"

	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/pkg/model"
)

// AssetText are the text properties that assets of both kinds have.
type AssetText struct {
	Description, DisplayName, DocumentationURI, ExternalAssetID, HardwareRevision, Manufacturer, ManufacturerURI, Model,
	ProductCode, SerialNumber, SoftwareRevision string
}

// Declare declares the options of namespaced assets.
func (t *AssetText) Declare(s *cli.Set) {
	t.declare(s, [8]string{"--dn", "--doc-uri", "--eid", "--hw-rev", "--mfr-uri", "--pc", "--sn", "--sw-rev"}, nil)
}

// DeclareClassic declares the options of classic assets.
func (t *AssetText) DeclareClassic(s *cli.Set) {
	t.declare(s, [8]string{"--dn", "--du", "--eai", "--hr", "--mu", "--pc", "--sn", "--sr"}, []string{"-d"})
}

func (t *AssetText) declare(s *cli.Set, alias [8]string, description []string) {
	s.String(&t.Description, append([]string{"--description"}, description...)...).Doc("Description.")
	s.String(&t.DisplayName, "--display-name", alias[0]).Doc("Display name.")
	s.String(&t.DocumentationURI, "--documentation-uri", alias[1]).Doc("Where its documentation is.")
	s.String(&t.ExternalAssetID, "--external-asset-id", alias[2]).Doc("Id that the asset has elsewhere.")
	s.String(&t.HardwareRevision, "--hardware-revision", alias[3]).Doc("Hardware revision.")
	s.String(&t.Manufacturer, "--manufacturer").Doc("Manufacturer.")
	s.String(&t.ManufacturerURI, "--manufacturer-uri", alias[4]).Doc("URI of the manufacturer.")
	s.String(&t.Model, "--model").Doc("Model.")
	s.String(&t.ProductCode, "--product-code", alias[5]).Doc("Product code.")
	s.String(&t.SerialNumber, "--serial-number", alias[6]).Doc("Serial number.")
	s.String(&t.SoftwareRevision, "--software-revision", alias[7]).Doc("Software revision.")
}

// pairs ties each option to the property of a kind of asset.
func (t *AssetText) pairs(p []*string) [][2]*string {
	own := []*string{
		&t.Description, &t.DisplayName, &t.DocumentationURI, &t.ExternalAssetID, &t.HardwareRevision, &t.Manufacturer, &t.ManufacturerURI,
		&t.Model, &t.ProductCode, &t.SerialNumber, &t.SoftwareRevision,
	}
	out := make([][2]*string, len(own))
	for i := range own {
		out[i] = [2]*string{own[i], p[i]}
	}
	return out
}

func namespacedText(a *model.AssetProperties) []*string {
	return []*string{
		&a.Description, &a.DisplayName, &a.DocumentationURI, &a.ExternalAssetID, &a.HardwareRevision, &a.Manufacturer, &a.ManufacturerURI,
		&a.Model, &a.ProductCode, &a.SerialNumber, &a.SoftwareRevision,
	}
}

func classicText(a *model.ClassicAssetProperties) []*string {
	return []*string{
		&a.Description, &a.DisplayName, &a.DocumentationURI, &a.ExternalAssetID, &a.HardwareRevision, &a.Manufacturer, &a.ManufacturerURI,
		&a.Model, &a.ProductCode, &a.SerialNumber, &a.SoftwareRevision,
	}
}

// Apply sets what is given; an empty text changes nothing.
func (t *AssetText) Apply(a *model.AssetProperties) { t.apply(namespacedText(a)) }

// ApplyClassic is Apply for a classic asset.
func (t *AssetText) ApplyClassic(a *model.ClassicAssetProperties) { t.apply(classicText(a)) }

func (t *AssetText) apply(p []*string) {
	for _, x := range t.pairs(p) {
		if *x[0] != "" {
			*x[1] = *x[0]
		}
	}
}

// Matches reports whether an asset has what is given, without regard to case.
func (t *AssetText) Matches(a *model.AssetProperties) bool { return t.matches(namespacedText(a)) }

// MatchesClassic is Matches for a classic asset.
func (t *AssetText) MatchesClassic(a *model.ClassicAssetProperties) bool {
	return t.matches(classicText(a))
}

func (t *AssetText) matches(p []*string) bool {
	for _, x := range t.pairs(p) {
		if *x[0] != "" && !strings.EqualFold(*x[0], *x[1]) {
			return false
		}
	}
	return true
}
