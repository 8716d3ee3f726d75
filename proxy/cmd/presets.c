#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "cmd.h"
#include "popbridge/service/option.h"
#include "popbridge/service/preset.h"

/* One preset, as a route would say what it says. */
static void
print_preset(const struct pb_preset *p, const char *const *auths)
{
	printf("%s\n", p->name);
	if (p->url != NULL)
		printf("\tupstream = \"%s\"\n", p->url);
	if (p->auth != PB_UPSTREAM_AUTH_AUTO)
		printf("\tupstream-auth = %s\n", auths[p->auth]);
	if (p->removal != PB_REMOVAL_EXPUNGE)
		printf("\tdelete = %s\n", pb_removal_name(p->removal));
	if (p->login_lacks_domain)
		printf("\tstrip-domain = yes\n");
	if (p->max_connections_per_user > 0)
		printf("\tmax-connections-per-user = %u\n",
		    p->max_connections_per_user);
	if (p->max_upstream_connections > 0)
		printf("\tmax-upstream-connections = %u\n",
		    p->max_upstream_connections);
	if (p->note != NULL)
		printf("\t# %s\n", p->note);
}

int
pb_cmd_presets(int argc, char **argv)
{
	const struct pb_option *auth = pb_option_find("upstream-auth");
	const struct pb_preset *rows;
	size_t n;
	size_t i;

	if (argc == 2 && (strcmp(argv[1], "--help") == 0 ||
	    strcmp(argv[1], "-h") == 0)) {
		printf("usage: popbridge presets\n\nShow what is known of "
		       "providers and IMAP servers, each preset as what a "
		       "route\nwould have to say without it.\n");
		return EX_OK;
	}
	if (argc > 1) {
		fprintf(stderr, "popbridge presets: %s: it takes no "
		    "arguments\n", argv[1]);
		return EX_USAGE;
	}
	rows = pb_presets(&n);
	for (i = 0; i < n; i++)
		print_preset(&rows[i], auth->words);
	return EX_OK;
}
