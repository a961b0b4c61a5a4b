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

	log "github.com/hashicorp/go-hclog"
	kubernetes "github.com/hashicorp/vault-plugin-auth-kubernetes"
	kv "github.com/hashicorp/vault-plugin-secrets-kv"
	"github.com/hashicorp/vault/builtin/credential/approle"
	"github.com/hashicorp/vault/builtin/logical/transit"
	"github.com/hashicorp/vault/helper/namespace"
	vaulthttp "github.com/hashicorp/vault/http"
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

func open() (*vault.Core, string) {
	logger := log.New(&log.LoggerOptions{Level: log.Error, Output: os.Stderr})
	store, err := inmem.NewInmem(nil, logger)
	must(err)
	core, err := vault.NewCore(&vault.CoreConfig{
		Physical:           store,
		Logger:             logger,
		DisableMlock:       true,
		LogicalBackends:    map[string]logical.Factory{"kv": kv.Factory, "transit": transit.Factory},
		CredentialBackends: map[string]logical.Factory{"approle": approle.Factory, "kubernetes": kubernetes.Factory},
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
