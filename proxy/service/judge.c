#include <stdarg.h>
#include <stdio.h>

#include "popbridge/service/config.h"

struct judgement {
	const struct pb_config *config;
	const struct pb_config_sink *sink;
	enum pb_status result;
};

static void complain(struct judgement *j, enum pb_config_severity severity,
    const char *option, const char *fmt, ...) PB_PRINTF(4, 5);

static void
complain(struct judgement *j, enum pb_config_severity severity,
    const char *option, const char *fmt, ...)
{
	char text[448];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (severity == PB_CONFIG_ERROR)
		j->result = PB_EINVAL;
	pb_config_complain(j->sink, severity,
	    pb_config_place(j->config, option), "%s: %s", option, text);
}

static void
judge_upstream(struct judgement *j)
{
	const struct pb_url *url = &j->config->upstream;
	char text[PB_URL_TEXT_SIZE];

	if (url->host[0] == '\0') {
		complain(j, PB_CONFIG_ERROR, "upstream", "there is no IMAP "
		    "server to fetch mail from: name one, as in "
		    "upstream = \"imaps://imap.example.com\"");
		return;
	}
	if (url->tls != PB_URL_TLS_NONE || pb_url_is_loopback(url))
		return;
	pb_url_format(url, text);
	complain(j, PB_CONFIG_WARNING, "upstream", "passwords and mail go to "
	    "%s in clear text, and anybody on the way can read and change "
	    "them: use imaps:// or imap:// if the server can", text);
}

static void
judge_certificate(struct judgement *j)
{
	bool cert = j->config->tls_cert[0] != '\0';
	bool key = j->config->tls_key[0] != '\0';

	if (cert && !key)
		complain(j, PB_CONFIG_ERROR, "tls-cert", "a certificate is of "
		    "no use without its private key: give tls-key, too");
	if (key && !cert)
		complain(j, PB_CONFIG_ERROR, "tls-key", "a private key is of "
		    "no use without its certificate: give tls-cert, too");
}

static void
judge_listener(struct judgement *j, const struct pb_url *url)
{
	char text[PB_URL_TEXT_SIZE];

	pb_url_format(url, text);
	if (url->tls != PB_URL_TLS_NONE && j->config->tls_cert[0] == '\0')
		complain(j, PB_CONFIG_ERROR, "listen", "%s needs a "
		    "certificate: give tls-cert and tls-key", text);
	if (url->tls == PB_URL_TLS_NONE && !pb_url_is_loopback(url))
		complain(j, PB_CONFIG_WARNING, "listen", "%s takes passwords "
		    "in clear text from other machines: use pop3s:// or "
		    "pop3://, or an address of this machine only", text);
}

static bool
same_socket(const struct pb_url *a, const struct pb_url *b)
{
	return a->port != 0 && a->port == b->port &&
	    strcmp(a->host, b->host) == 0;
}

static void
judge_listeners(struct judgement *j)
{
	const struct pb_listen_list *list = &j->config->listen;
	size_t i;
	size_t k;

	for (i = 0; i < list->n; i++) {
		judge_listener(j, &list->url[i]);
		for (k = 0; k < i; k++) {
			if (!same_socket(&list->url[i], &list->url[k]))
				continue;
			complain(j, PB_CONFIG_ERROR, "listen", "two listeners "
			    "have the address %s and the port %u: give one of "
			    "them another port", list->url[i].host,
			    (unsigned)list->url[i].port);
			break;
		}
	}
}

static void
judge_timeouts(struct judgement *j)
{
	if (j->config->idle_timeout < 600)
		complain(j, PB_CONFIG_WARNING, "idle-timeout", "RFC 1939 asks "
		    "for at least 10 minutes (600); clients may lose their "
		    "session while their user reads");
}

enum pb_status
pb_config_judge(const struct pb_config *config,
    const struct pb_config_sink *sink)
{
	struct judgement j = { config, sink, PB_OK };

	judge_upstream(&j);
	judge_certificate(&j);
	judge_listeners(&j);
	judge_timeouts(&j);
	return j.result;
}
