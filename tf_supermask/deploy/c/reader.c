/* Goes from weight to weight. */
@both #define TERNARY 1
@bits #define RUNS 2
@bits #define ELIAS 4

typedef struct {
    const FLASH uint8_t *next;
    unsigned held;
@ternary     uint8_t left;
    uint8_t negative;
    index at; /* the input of the next weight */
} reader;

@bits static inline unsigned bit(reader *r)
@bits {
@bits     unsigned first;
@bits     if (r->held == 1)
@bits         r->held = 0x100u | *r->next++;
@bits     first = r->held & 1;
@bits     r->held >>= 1;
@bits     return first;
@bits }
@bits
static inline void advance(reader *r, const FLASH layer *l)
{
@bits     index gap = 0;
@bits     unsigned size = l->low;
@both     if (l->form & TERNARY) {
@!bits     (void)l;
@ternary         do {
@ternary             if (r->left == 0) {
@ternary                 r->left = 5;
@ternary                 r->held = *r->next++;
@ternary             }
@ternary             r->left--;
@ternary             r->at++;
@ternary             r->held = (r->held & 0xff) * 3;
@ternary         } while (r->held >> 8 == 1);
@ternary         r->negative = r->held < 0x100;
@both         return;
@both     }
@bits     r->at++;
@bits     if ((l->form & RUNS) && bit(r))
@bits         return;
@bits     while (bit(r))
@bits         gap++;
@bits     if (l->form & ELIAS) {
@bits         size += (unsigned)gap;
@bits         gap = 1;
@bits     }
@bits     for (; size; size--)
@bits         gap = gap << 1 | bit(r);
@bits     if (l->form & ELIAS)
@bits         gap -= (index)1 << l->low;
@bits     r->at += gap;
@bits     r->negative = (uint8_t)bit(r);
}

static void start(reader *r, const FLASH layer *l)
{
    r->next = l->code;
@bits     r->held = 1;
@ternary     r->left = 0;
    r->negative = 0;
    r->at = (index)-1;
    advance(r, l);
}
