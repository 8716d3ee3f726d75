#include "support/dns.h"

/* Where every question begins: behind the header. */
#define NAME_AT 12

#define TYPE_SRV 33
#define CLASS_IN 1

void
pbt_dns_16(struct pbt_dns *d, unsigned value)
{
	const char octets[2] = { (char)(value >> 8), (char)value };

	pbt_put(&d->octets, pb_slice(octets, 2));
}

void
pbt_dns_name(struct pbt_dns *d, const char *name)
{
	struct pb_slice rest = pb_slice_str(name);

	while (rest.len > 0) {
		size_t end = pb_slice_find(rest, '.');
		const char len = (char)end;

		pbt_put(&d->octets, pb_slice(&len, 1));
		pbt_put(&d->octets, pb_slice(rest.data, end));
		pb_slice_skip(&rest, end < rest.len ? end + 1 : end);
	}
	pbt_put(&d->octets, pb_slice("", 1));
}

void
pbt_dns_start(struct pbt_dns *d, unsigned id, unsigned flags,
    const char *name)
{
	static const unsigned counts[] = { 1, 0, 0, 0 };
	size_t i;

	pb_buffer_init(&d->octets, 256 * 1024);
	d->answers = 0;
	pbt_dns_16(d, id);
	pbt_dns_16(d, flags);
	for (i = 0; i < 4; i++)
		pbt_dns_16(d, counts[i]);
	pbt_dns_name(d, name);
	pbt_dns_16(d, TYPE_SRV);
	pbt_dns_16(d, CLASS_IN);
}

void
pbt_dns_stop(struct pbt_dns *d)
{
	pb_buffer_fini(&d->octets);
}

void
pbt_dns_record(struct pbt_dns *d, unsigned type, unsigned class_, size_t len)
{
	d->answers++;
	pbt_dns_16(d, 0xc000 | NAME_AT);
	pbt_dns_16(d, type);
	pbt_dns_16(d, class_);
	pbt_dns_16(d, 0);
	pbt_dns_16(d, 300);
	pbt_dns_16(d, (unsigned)len);
}

void
pbt_dns_srv(struct pbt_dns *d, unsigned priority, unsigned weight,
    unsigned port, const char *target)
{
	size_t labels = strlen(target) > 0 ? strlen(target) + 2 : 1;

	pbt_dns_record(d, TYPE_SRV, CLASS_IN, 6 + labels);
	pbt_dns_16(d, priority);
	pbt_dns_16(d, weight);
	pbt_dns_16(d, port);
	pbt_dns_name(d, target);
}

void
pbt_dns_srv_raw(struct pbt_dns *d, unsigned port, struct pb_slice target)
{
	pbt_dns_record(d, TYPE_SRV, CLASS_IN, 6 + target.len);
	pbt_dns_16(d, 0);
	pbt_dns_16(d, 0);
	pbt_dns_16(d, port);
	pbt_put(&d->octets, target);
}

struct pb_slice
pbt_dns_answer(struct pbt_dns *d)
{
	char *header = d->octets.data + d->octets.head;

	header[6] = (char)(d->answers >> 8);
	header[7] = (char)d->answers;
	return pb_buffer_slice(&d->octets);
}
