#include "place_order.hpp"

#include "operations.hpp"
#include "shop.hpp"

#include <weft/engine.hpp>
#include <weft/sql.hpp>

//[place_order
weft::workflow<receipt> place_order(weft::context& wf, shop& our, order o)
{
    using weft::sql;

    // saga: done now, undone by its compensation if anything later fails
    co_await wf.saga("create-order", sql(our.orders, &create_order), sql(our.orders, &cancel_order), o);

    // TCC: reserved now, confirmed when the whole workflow commits, released when it rolls back
    co_await wf.tcc("deduct-stock", sql(our.stock, &reserve_stock), sql(our.stock, &confirm_stock), sql(our.stock, &release_stock), o);

    auto const charged = co_await wf.saga("charge", sql(our.accounts, &charge), sql(our.accounts, &refund), o);

    // step: recorded, nothing to undo
    auto const number = co_await wf.step("write-receipt", sql(our.orders, &write_receipt), o);

    receipt done{o.id, number, charged};
    co_return done;
}
//]

weft::workflow<receipt> place_order_by_xa(weft::context& wf, shop& our, order o)
{
    using weft::sql;

    co_await wf.saga("create-order", sql(our.orders, &create_order), sql(our.orders, &cancel_order), o);
    co_await wf.tcc("deduct-stock", sql(our.stock, &reserve_stock), sql(our.stock, &confirm_stock), sql(our.stock, &release_stock), o);

    // XA: a prepared transaction, committed or rolled back with the workflow
    auto const charged = co_await wf.xa("charge", *our.bank, &charge, o);
    auto const number = co_await wf.step("write-receipt", sql(our.orders, &write_receipt), o);

    receipt done{o.id, number, charged};
    co_return done;
}

void add_workflows(weft::engine& engine, shop& our)
{
    if (!our.bank)
        return engine.add("place-order", &place_order, std::ref(our));
    engine.add(*our.bank);
    engine.add("place-order", &place_order_by_xa, std::ref(our));
}
