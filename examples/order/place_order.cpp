#include "place_order.hpp"

#include "operations.hpp"
#include "shop.hpp"

#include <weft/engine.hpp>
#include <weft/sql.hpp>

//[place_order
weft::workflow<receipt> place_order(weft::context& wf, shop& our, order o)
{
    auto const orders = weft::sql(our.orders), stock = weft::sql(our.stock), accounts = weft::sql(our.accounts);

    // saga: done now, undone by its compensation if anything later fails
    co_await wf.saga("create-order", orders(&create_order), orders(&cancel_order), o);

    // TCC: reserved now, confirmed when the whole workflow commits, released when it rolls back
    co_await wf.tcc("deduct-stock", stock(&reserve_stock), stock(&confirm_stock), stock(&release_stock), o);

    auto const charged = co_await wf.saga("charge", accounts(&charge), accounts(&refund), o);

    // step: recorded, nothing to undo
    auto const number = co_await wf.step("write-receipt", orders(&write_receipt), o);

    receipt done{o.id, number, charged};
    co_return done;
}
//]

weft::workflow<receipt> place_order_by_xa(weft::context& wf, shop& our, order o)
{
    auto const orders = weft::sql(our.orders), stock = weft::sql(our.stock);

    co_await wf.saga("create-order", orders(&create_order), orders(&cancel_order), o);
    co_await wf.tcc("deduct-stock", stock(&reserve_stock), stock(&confirm_stock), stock(&release_stock), o);

    // XA: a prepared transaction, committed or rolled back with the workflow
    auto const charged = co_await wf.xa("charge", our.accounts, &charge, o);
    auto const number = co_await wf.step("write-receipt", orders(&write_receipt), o);

    receipt done{o.id, number, charged};
    co_return done;
}

weft::handle<receipt(order)> add_place_order(weft::engine& engine, shop& our)
{
    if (!our.on_server)
        return engine.add("place-order", &place_order, std::ref(our));
    engine.add(our.accounts);
    our.accounts.connect();  // a server that prepares no transactions is worth a sentence now
    return engine.add("place-order", &place_order_by_xa, std::ref(our));
}
