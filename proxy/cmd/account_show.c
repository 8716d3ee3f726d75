#include <jansson.h>
#include <stdio.h>
#include <sysexits.h>

#include "account.h"
#include "popbridge/base/check.h"

static void
print_networks(const struct pb_account *a, const char *none,
    const char *between)
{
	char text[PB_NETWORK_TEXT_SIZE];
	size_t i;

	for (i = 0; i < a->n_networks; i++) {
		pb_network_format(&a->networks[i], text);
		printf("%s%s", i > 0 ? between : "", text);
	}
	if (i == 0)
		printf("%s", none);
}

static void
print_listeners(const struct pb_account *a, const char *none,
    const char *between)
{
	size_t i;

	for (i = 0; i < a->n_listeners; i++)
		printf("%s%s", i > 0 ? between : "", a->listeners[i]);
	if (i == 0)
		printf("%s", none);
}

/* No value has a tab, so that other programs can read it. */
static void
print_line(void *ctx, const struct pb_account *a)
{
	(void)ctx;
	printf("%s\t%s\t%s\t", a->name, a->enabled ? "enabled" : "disabled",
	    a->upstream_user);
	print_networks(a, "-", ",");
	printf("\t");
	print_listeners(a, "-", ",");
	printf("\t%s\n", a->label[0] != '\0' ? a->label : "-");
}

static const char *
yes(bool value)
{
	return value ? "yes" : "no";
}

static void
print_whole(const struct pb_account *a)
{
	printf("name               %s\n", a->name);
	printf("label              %s\n", a->label);
	printf("enabled            %s\n", yes(a->enabled));
	printf("networks           ");
	print_networks(a, "all", " ");
	printf("\nlisteners          ");
	print_listeners(a, "all", " ");
	printf("\npassword           %s\n", yes(a->has_password));
	printf("scram              %s\n", yes(a->has_scram));
	printf("recoverable        %s\n", yes(a->is_recoverable));
	printf("upstream user      %s\n", a->upstream_user);
	printf("upstream password  %s\n", yes(a->has_upstream_password));
}

/* What the file says was checked when it came in; but anybody may edit it. */
static json_t *
text_of(const char *text)
{
	json_t *value = json_string(text);

	return value != NULL ? value : json_null();
}

static json_t *
networks_of(const struct pb_account *a)
{
	char text[PB_NETWORK_TEXT_SIZE];
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < a->n_networks; i++) {
		pb_network_format(&a->networks[i], text);
		json_array_append_new(list, text_of(text));
	}
	return list;
}

static json_t *
listeners_of(const struct pb_account *a)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < a->n_listeners; i++)
		json_array_append_new(list, text_of(a->listeners[i]));
	return list;
}

static json_t *
object_of(const struct pb_account *a)
{
	return json_pack("{s:o, s:o, s:b, s:o, s:o, s:b, s:b, s:b, s:o, s:b}",
	    "name", text_of(a->name), "label", text_of(a->label),
	    "enabled", a->enabled, "networks", networks_of(a),
	    "listeners", listeners_of(a), "password", a->has_password,
	    "scram", a->has_scram, "recoverable", a->is_recoverable,
	    "upstream_user", text_of(a->upstream_user),
	    "upstream_password", a->has_upstream_password);
}

static void
collect(void *ctx, const struct pb_account *a)
{
	json_t *list = ctx;

	json_array_append_new(list, object_of(a));
}

static int
print_json(const struct pb_account_request *r, json_t *value)
{
	int result = value == NULL ? -1 : json_dumpf(value, stdout,
	    JSON_INDENT(2));

	json_decref(value);
	if (result != 0) {
		pb_account_complain(r, "no memory, or the output cannot be "
		    "written");
		return EX_IOERR;
	}
	printf("\n");
	return EX_OK;
}

static int
list_json(const struct pb_account_request *r, struct pb_accounts *accounts)
{
	struct pb_error err = { .text = "" };
	json_t *list = json_array();
	int status = pb_account_outcome(r, pb_account_list(accounts, collect,
	    list, &err), &err);

	if (status == EX_OK)
		return print_json(r, list);
	json_decref(list);
	return status;
}

int
pb_account_cmd_list(struct pb_account_request *r)
{
	struct pb_accounts *accounts = NULL;
	struct pb_error err = { .text = "" };
	int status = pb_account_open(r, PB_ACCOUNT_NO_KEYS, &accounts);

	if (status != EX_OK)
		return status;
	if (r->json)
		status = list_json(r, accounts);
	else
		status = pb_account_outcome(r, pb_account_list(accounts,
		    print_line, NULL, &err), &err);
	pb_accounts_unref(&accounts);
	return status;
}

int
pb_account_cmd_show(struct pb_account_request *r)
{
	struct pb_accounts *accounts = NULL;
	struct pb_error err = { .text = "" };
	struct pb_account account;
	int status = pb_account_open(r, PB_ACCOUNT_NO_KEYS, &accounts);

	if (status != EX_OK)
		return status;
	status = pb_account_outcome(r, pb_account_get(accounts,
	    pb_slice_str(r->account.name), &account, &err), &err);
	if (status == EX_OK && r->json)
		status = print_json(r, object_of(&account));
	else if (status == EX_OK)
		print_whole(&account);
	pb_accounts_unref(&accounts);
	return status;
}
