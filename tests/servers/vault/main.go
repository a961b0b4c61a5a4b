// A Vault for tests: HashiCorp Vault's own core and HTTP handler over memory, with the engines that Airlock speaks to.
// It prints one line of JSON, {"address", "token"}, and serves until its standard input ends. Arguments: CERT KEY, for TLS.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	_ "unsafe" // for go:linkname

	log "github.com/hashicorp/go-hclog"
	kubernetes "github.com/hashicorp/vault-plugin-auth-kubernetes"
	kv "github.com/hashicorp/vault-plugin-secrets-kv"
	"github.com/hashicorp/vault/builtin/credential/approle"
	"github.com/hashicorp/vault/builtin/logical/transit"
	"github.com/hashicorp/vault/helper/namespace"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical/inmem"
	"github.com/hashicorp/vault/vault"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// The only plugins: those that are compiled in here.
var (
	engines = map[string]logical.Factory{"kv": kv.Factory, "transit": openTransit}
	logins  = map[string]logical.Factory{"approle": approle.Factory, "kubernetes": kubernetes.Factory}
)

// The SDK's framework panics at paths that say "create" without an existence check, and this Vault has some.
func openTransit(ctx context.Context, config *logical.BackendConfig) (logical.Backend, error) {
	backend, err := transit.Backend(ctx, config)
	if err != nil {
		return nil, err
	}
	for _, path := range backend.Paths {
		if path.ExistenceCheck == nil {
			path.ExistenceCheck = func(context.Context, *logical.Request, *framework.FieldData) (bool, error) { return true, nil }
		}
	}
	return backend, backend.Setup(ctx, config)
}

type registry struct{}

func (registry) Get(name string, kind consts.PluginType) (func() (interface{}, error), bool) {
	factory, ok := engines[name]
	if kind == consts.PluginTypeCredential {
		factory, ok = logins[name]
	}
	return func() (interface{}, error) { return factory, nil }, ok
}

func (r registry) Contains(name string, kind consts.PluginType) bool {
	_, ok := r.Get(name, kind)
	return ok
}

func (registry) Keys(consts.PluginType) []string { return nil }

func (registry) DeprecationStatus(name string, kind consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Supported, true
}

func (registry) IsBuiltinEntPlugin(string, consts.PluginType) bool { return false }

// Such paths too: Vault's stubs of what only Enterprise has.
//
//go:linkname entPaths github.com/hashicorp/vault/vault.entPaths
var entPaths func(*vault.SystemBackend) []*framework.Path

func open() (*vault.Core, string) {
	entPaths = func(*vault.SystemBackend) []*framework.Path { return nil }
	logger := log.New(&log.LoggerOptions{Level: log.Error, Output: os.Stderr})
	store, err := inmem.NewInmem(nil, logger)
	must(err)
	core, err := vault.NewCore(&vault.CoreConfig{
		Physical:           store,
		Logger:             logger,
		DisableMlock:       true,
		BuiltinRegistry:    registry{},
		LogicalBackends:    engines,
		CredentialBackends: logins,
	})
	must(err)
	made, err := core.Initialize(namespace.RootContext(context.Background()), &vault.InitParams{
		BarrierConfig: &vault.SealConfig{SecretShares: 1, SecretThreshold: 1},
	})
	must(err)
	for _, share := range made.SecretShares {
		_, err = core.Unseal(share)
		must(err)
	}
	return core, made.RootToken
}

func main() {
	core, token := open()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	handler := vaulthttp.Handler.Handler(&vault.HandlerProperties{Core: core})
	address := "http://" + listener.Addr().String()
	if len(os.Args) == 3 {
		address = "https://" + listener.Addr().String()
		go func() { must(http.ServeTLS(listener, handler, os.Args[1], os.Args[2])) }()
	} else {
		go func() { must(http.Serve(listener, handler)) }()
	}
	must(json.NewEncoder(os.Stdout).Encode(map[string]string{"address": address, "token": token}))
	io.Copy(io.Discard, os.Stdin)
}
