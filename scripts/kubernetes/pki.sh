#!/usr/bin/env bash
# pki.sh: certificates of one node, made for it, and a kubeconfig a client. They are deleted with its folder.
# pki.sh FOLDER NAME ADDRESS: of another node that joins it, in FOLDER/pki, signed by the same authority.
set -euo pipefail
. "$(dirname "$0")/common.sh"
folder=${1:-$RUN_DIR} name=${2:-$NODE_NAME} address=${3:-$NODE_ADDRESS} authority=$RUN_DIR/pki
mkdir -p "$folder/pki"
cd "$folder/pki"

certificate() { # certificate NAME USER GROUP [ALTERNATIVE NAMES]
  openssl req -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.csr" -subj "/O=$3/CN=$2" 2>/dev/null
  printf 'extendedKeyUsage=clientAuth,serverAuth\n%s\n' "${4:+subjectAltName=$4}" > "$1.ext"
  openssl x509 -req -in "$1.csr" -CA "$authority/ca.crt" -CAkey "$authority/ca.key" -CAserial "$1.srl" -CAcreateserial -out "$1.crt" -days 30 -extfile "$1.ext" 2>/dev/null
}

kubeconfig() { # kubeconfig CLIENT
  cat > "$1.conf" <<END
apiVersion: v1
kind: Config
clusters: [{name: node, cluster: {server: "https://$NODE_ADDRESS:6443", certificate-authority-data: $(base64 -w0 "$authority/ca.crt")}}]
users: [{name: $1, user: {client-certificate-data: $(base64 -w0 "$1.crt"), client-key-data: $(base64 -w0 "$1.key")}}]
contexts: [{name: node, context: {cluster: node, user: $1}}]
current-context: node
END
}
kubelet() { certificate kubelet "system:node:$name" system:nodes "DNS:$name,IP:$address,IP:127.0.0.1"; }

if [ "$folder" != "$RUN_DIR" ]; then
  kubelet
  cp "$authority"/{ca.crt,proxy.conf} .
  kubeconfig kubelet
  chmod 600 ./*.key ./*.conf
  exit 0
fi
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -subj /CN=node-ca -days 30 2>/dev/null
services=DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local
certificate apiserver kube-apiserver kubernetes "DNS:localhost,DNS:$NODE_NAME,$services,IP:127.0.0.1,IP:$NODE_ADDRESS,IP:10.96.0.1" &
certificate admin admin system:masters &
certificate controllers system:kube-controller-manager system:kube-controller-manager &
certificate scheduler system:kube-scheduler system:kube-scheduler &
certificate proxy system:kube-proxy system:node-proxier &
kubelet &
certificate dns system:coredns system:names &
openssl genrsa -out accounts.key 2048 2>/dev/null
openssl rsa -in accounts.key -pubout -out accounts.pub 2>/dev/null
wait

for client in admin controllers scheduler proxy kubelet dns; do kubeconfig "$client"; done
chmod 600 ./*.key ./*.conf
