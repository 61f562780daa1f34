// The order service: takes orders, and sees each of them through, across the other services and across its own death.
//
//     shop_order DATABASE PORT USER PRODUCT PAYMENT        the last three are addresses, such as http://127.0.0.1:8081
//
// Its database holds the orders and weft's journal.
#include "place_order.hpp"
#include "service.hpp"

#include <weft/http.hpp>
#include <weft/open_store.hpp>

#include <iostream>

namespace {

void set_up(soci::session& sql)
{
    sql << "CREATE TABLE IF NOT EXISTS orders (id text PRIMARY KEY, user text, article text, quantity integer, cents integer, state text)";
}

boost::json::object books(soci::session& sql)
{
    boost::json::object all;
    std::int64_t        n = 0, pieces = 0, cents = 0;
    for (std::string const state : {"open", "paid", "cancelled", "expired"})
    {
        sql << "SELECT count(*) FROM orders WHERE state = :state", soci::use(state), soci::into(n);
        all[state] = n;
    }
    sql << "SELECT COALESCE(sum(quantity), 0), COALESCE(sum(cents), 0) FROM orders WHERE state = 'paid'", soci::into(pieces),
        soci::into(cents);
    all["pieces"] = pieces;
    all["cents"] = cents;
    return all;
}

}  // namespace

int main(int argc, char** argv)
try
{
    if (argc != 6)
    {
        std::cerr << "usage: shop_order DATABASE PORT USER PRODUCT PAYMENT\n";
        return 2;
    }
    service    order("order", argv[1], &set_up);
    shop const our{order.database(), argv[3], argv[4], argv[5]};

    auto const           store = weft::open_store(std::string("sqlite://") + argv[1]);
    weft::engine_options options;
    options.transport = weft::make_http_transport();
    weft::host host(*store, options);
    auto const place = host.engine().add("place-order", &place_order, std::cref(our));

    weft::list_filter unfinished;
    unfinished.unfinished = true;
    auto const begun = store->list(unfinished);
    if (!begun.empty())
        std::cerr << "goes on with " << begun.size() << " orders\n";
    host.start();

    // The order's id is the transaction's gid: who asks again gets the same answer, also if the first one was lost.
    order.post("/orders", [&](purchase const& p) {
        auto const done = place.execute(weft::gid(p.id), p, weft::blocking);
        return boost::json::object{{"order", done.order}, {"payment", done.payment}};
    });

    // The same as branches of a transaction that somebody else runs: see the script saga.
    order.operation("/create", &create_order);
    order.operation("/cancel", &cancel_order);
    order.operation("/close", &close_order);
    order.operation("/expire", &expire_order);
    order.get("/books", &books);
    order.run(static_cast<unsigned short>(std::stoi(argv[2])));
}
catch (std::exception const& e)
{
    std::cerr << "shop_order: " << e.what() << '\n';
    return 1;
}
