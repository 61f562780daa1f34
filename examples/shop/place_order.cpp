#include "place_order.hpp"

#include <weft/http.hpp>

namespace {

// What the payment service answers.
struct payment
{
    std::int64_t number = 0;
};
BOOST_DESCRIBE_STRUCT(payment, (), (number))

}  // namespace

//[place_order
weft::workflow<receipt> place_order(weft::context& wf, shop const& our, purchase p)
{
    using weft::post;
    auto const on = weft::sql(our.orders);

    // saga: the order is there from now on, and is cancelled if anything later fails
    co_await wf.saga("create-order", on(&create_order), on(&cancel_order), p);

    // TCC: reserved at two other services, and confirmed when all of this commits
    co_await wf.tcc("stock", post(our.product + "/reserve"), post(our.product + "/confirm"), post(our.product + "/release"), p);
    co_await wf.tcc("credit", post(our.user + "/reserve"), post(our.user + "/confirm"), post(our.user + "/release"), p);

    // saga: paid now, refunded if anything later fails
    auto const paid = co_await wf.saga("payment", post<payment>(our.payment + "/pay"), post(our.payment + "/refund"), p);

    // step: recorded, nothing to undo
    co_await wf.step("close-order", on(&close_order), p);

    receipt done{p.id, paid.number};
    co_return done;
}
//]

void create_order(soci::session& sql, purchase const& p)
{
    sql << "INSERT INTO orders VALUES (:id, :user, :article, :quantity, :cents, 'open')", soci::use(p.id), soci::use(p.user),
        soci::use(p.article), soci::use(p.quantity), soci::use(p.cents);
}

void cancel_order(soci::session& sql, purchase const& p) { sql << "UPDATE orders SET state = 'cancelled' WHERE id = :id", soci::use(p.id); }

void close_order(soci::session& sql, purchase const& p) { sql << "UPDATE orders SET state = 'paid' WHERE id = :id", soci::use(p.id); }

void expire_order(soci::session& sql, purchase const& p)
{
    sql << "UPDATE orders SET state = 'expired' WHERE id = :id AND state = 'open'", soci::use(p.id);
}
