#include "judge_priv.h"

#include <string.h>

#include "config_priv.h"
#include "popbridge/service/network.h"

#define HAS(l, mechanism) (((l)->mechanisms & 1u << (mechanism)) != 0)

static void
judge_numbers(struct pb_judgement *j, const struct pb_listener_config *l)
{
	if (l->tls_cert.n > 0 && l->tls_key.n == 0)
		pb_judge_say_listener(j, PB_CONFIG_ERROR, l, "tls-cert", "a "
		    "certificate is of no use without its private key: give "
		    "tls-key, too");
	else if (l->tls_key.n > 0 && l->tls_cert.n == 0)
		pb_judge_say_listener(j, PB_CONFIG_ERROR, l, "tls-key", "a "
		    "private key is of no use without its certificate: give "
		    "tls-cert, too");
	else if (l->tls_cert.n != l->tls_key.n)
		pb_judge_say_listener(j, PB_CONFIG_ERROR, l, "tls-key",
		    "there are %zu certificates and %zu private keys: give "
		    "each certificate its key, in the same order",
		    l->tls_cert.n, l->tls_key.n);
}

static bool
sets(const struct pb_listener_config *l, const char *name)
{
	return l->priv_line[pb_config_row(pb_option_find(name))] != 0;
}

/* Those of the section; what is outside is judged once. */
static void
judge_certificate(struct pb_judgement *j, const struct pb_listener_config *l)
{
	bool cert = sets(l, "tls-cert");
	bool key = sets(l, "tls-key");

	if (cert && key)
		judge_numbers(j, l);
	else if (cert || key)
		pb_judge_say_listener(j, PB_CONFIG_ERROR, l, cert ? "tls-cert"
		    : "tls-key", "certificates and private keys belong "
		    "together: give %s in this section, too", cert
		    ? "tls-key" : "tls-cert");
}

/* Whether there are networks, and none of them is the whole of IPv4 or IPv6. */
static bool
is_narrow(const struct pb_network_list *list)
{
	static const uint8_t ipv4[16] = { [10] = 0xff, [11] = 0xff,
		[12] = 192, [14] = 2, [15] = 1 };
	size_t i;

	for (i = 0; i < list->n; i++) {
		const struct pb_network *network = &list->network[i];

		if (network->bits == 0 || (network->bits <= 96 &&
		    pb_network_has(network, ipv4)))
			return false;
	}
	return list->n > 0;
}

static void
judge_clear_text(struct pb_judgement *j, const struct pb_listener_config *l,
    const char *url)
{
	if (l->url.tls != PB_URL_TLS_NONE || pb_url_is_loopback(&l->url))
		return;
	if (is_narrow(&l->allow))
		pb_judge_say_listener(j, PB_CONFIG_WARNING, l, "url", "%s "
		    "takes passwords in clear text: whoever listens on the "
		    "way from the networks in allow can read them; use "
		    "pop3s:// or pop3:// if the clients can", url);
	else
		pb_judge_say_listener(j, PB_CONFIG_WARNING, l, "url", "%s "
		    "takes passwords in clear text from other machines: use "
		    "pop3s:// or pop3://, or an address of this machine "
		    "only%s", url, l->line == 0 ? ""
		    : ", or allow only the networks that need it");
}

static void
judge_url(struct pb_judgement *j, const struct pb_listener_config *l)
{
	char url[PB_URL_TEXT_SIZE];

	if (l->url.host[0] == '\0') {
		pb_judge_say_listener(j, PB_CONFIG_ERROR, l, "url", "it has "
		    "none: say where to listen, as in url = "
		    "\"pop3s://0.0.0.0\"");
		return;
	}
	pb_url_format(&l->url, url);
	if (l->url.tls != PB_URL_TLS_NONE && l->tls_cert.n == 0)
		pb_judge_say_listener(j, PB_CONFIG_ERROR, l, "url", "%s needs "
		    "a certificate: give tls-cert and tls-key", url);
	judge_clear_text(j, l, url);
	if (l->tls_profile == PB_TLS_PROFILE_LEGACY && l->tls_cert.n > 0)
		pb_judge_say_listener(j, PB_CONFIG_WARNING, l, "tls-profile",
		    "legacy lets %s speak versions of TLS that are broken: "
		    "keep it for devices that cannot do better, and allow "
		    "only their networks", url);
}

static void
judge_client_ca(struct pb_judgement *j, const struct pb_listener_config *l)
{
	if (HAS(l, PB_CONFIG_EXTERNAL) && l->client_ca == NULL)
		pb_judge_say_listener(j, PB_CONFIG_ERROR, l, "mechanisms",
		    "EXTERNAL needs certificates of the clients: give "
		    "client-ca, too");
	if (l->client_ca == NULL)
		return;
	if (l->tls_cert.n == 0)
		pb_judge_say_listener(j, PB_CONFIG_ERROR, l, "client-ca",
		    "clients show certificates in TLS only: give tls-cert and "
		    "tls-key, too");
	else if (!HAS(l, PB_CONFIG_EXTERNAL))
		pb_judge_say_listener(j, PB_CONFIG_WARNING, l, "client-ca",
		    "clients are asked for certificates and cannot log in by "
		    "them: add EXTERNAL to mechanisms");
}

static bool
reaches_accounts(const struct pb_config *config,
    const struct pb_listener_config *l)
{
	size_t i;

	for (i = 0; i < config->n_routes; i++) {
		if (config->route[i].identity == PB_IDENTITY_ACCOUNTS &&
		    pb_judge_reaches(l, &config->route[i]))
			return true;
	}
	return false;
}

/* Who never shows a password is checked by somebody who knows it. */
static void
judge_secret_login(struct pb_judgement *j, const struct pb_listener_config *l,
    const char *option, const char *what, bool needs_key)
{
	if (j->config->accounts == NULL)
		pb_judge_say_listener(j, PB_CONFIG_ERROR, l, option, "%s does "
		    "not show the password, so that accounts must know it: "
		    "give accounts, too", what);
	else if (needs_key && j->config->accounts_key == NULL)
		pb_judge_say_listener(j, PB_CONFIG_ERROR, l, option, "%s "
		    "needs the password itself, which accounts keep with a "
		    "key: give accounts-key, too", what);
	else if (!reaches_accounts(j->config, l))
		pb_judge_say_listener(j, PB_CONFIG_ERROR, l, option, "%s does "
		    "not show the password, and no route of this listener "
		    "has identity = accounts: nobody could log in by it",
		    what);
}

static void
judge_logins(struct pb_judgement *j, const struct pb_listener_config *l)
{
	if (HAS(l, PB_CONFIG_SCRAM_SHA_256))
		judge_secret_login(j, l, "mechanisms", "SCRAM-SHA-256",
		    false);
	if (HAS(l, PB_CONFIG_CRAM_MD5))
		judge_secret_login(j, l, "mechanisms", "CRAM-MD5", true);
	if (l->apop)
		judge_secret_login(j, l, "apop", "APOP", true);
}

/* A client's address is worth what the one is worth who says it. */
static void
judge_trust(struct pb_judgement *j, const struct pb_listener_config *l)
{
	if (l->proxy_protocol.n > 0 && !is_narrow(&l->proxy_protocol))
		pb_judge_say_listener(j, PB_CONFIG_WARNING, l,
		    "proxy-protocol", "everybody may claim to be any address: "
		    "name the proxies only");
	if (l->xclient.n > 0 && !is_narrow(&l->xclient))
		pb_judge_say_listener(j, PB_CONFIG_WARNING, l, "xclient",
		    "everybody may claim to be any address: name the proxies "
		    "only");
}

static bool
same_socket(const struct pb_url *a, const struct pb_url *b)
{
	return a->port != 0 && a->port == b->port && a->host[0] != '\0' &&
	    strcmp(a->host, b->host) == 0;
}

static void
judge_pair(struct pb_judgement *j, const struct pb_listener_config *a,
    const struct pb_listener_config *b)
{
	if (same_socket(&a->url, &b->url))
		pb_judge_say_listener(j, PB_CONFIG_ERROR, b, "url", "two "
		    "listeners have the address %s and the port %u: give one "
		    "of them another port", b->url.host,
		    (unsigned)b->url.port);
	else if (b->line != 0 && strcmp(a->name, b->name) == 0)
		pb_judge_say_listener(j, PB_CONFIG_ERROR, b, "url", "another "
		    "listener has this name: give each its own");
}

void
pb_judge_listeners(struct pb_judgement *j)
{
	const struct pb_config *c = j->config;
	size_t i;
	size_t k;

	judge_numbers(j, &c->priv_listener);
	for (i = 0; i < c->n_listeners; i++) {
		judge_certificate(j, &c->listener[i]);
		judge_url(j, &c->listener[i]);
		judge_client_ca(j, &c->listener[i]);
		judge_logins(j, &c->listener[i]);
		judge_trust(j, &c->listener[i]);
		for (k = 0; k < i; k++)
			judge_pair(j, &c->listener[k], &c->listener[i]);
	}
}
