#include "operations.hpp"

#include <weft/sql.hpp>

namespace {

// A row for every effect, in the same local transaction; nothing here would refuse a second one.
void note(weft::branch const& where, soci::session& sql, std::string const& subject, std::int64_t amount)
{
    std::string const operation(to_string(where.op));
    sql << "insert into ledger values (:gid, :branch, :operation, :subject, :amount)", soci::use(where.gid), soci::use(where.id),
        soci::use(operation), soci::use(subject), soci::use(amount);
}

long long changed(soci::statement& s)
{
    s.execute(true);
    return s.get_affected_rows();
}

}  // namespace

// --- orders ------------------------------------------------------------------------------------------------------------

void create_order(weft::branch const& where, soci::session& sql, order const& o)
{
    sql << "insert into orders values (:id, :customer, :article, :quantity, :cents, 'placed')", soci::use(o.id), soci::use(o.customer),
        soci::use(o.article), soci::use(o.quantity), soci::use(o.cents);
    note(where, sql, o.id, o.cents);
}

void cancel_order(weft::branch const& where, soci::session& sql, order const& o)
{
    sql << "update orders set state = 'cancelled' where id = :id", soci::use(o.id);
    note(where, sql, o.id, -o.cents);
}

std::int64_t write_receipt(weft::branch const& where, soci::session& sql, order const& o)
{
    std::int64_t      number = 0;
    std::string const insert = "insert into receipts (order_id, cents) values (:id, :cents)", kind = sql.get_backend_name();
    if (kind == "postgresql")
        sql << insert + " returning number", soci::use(o.id), soci::use(o.cents), soci::into(number);
    else
    {
        sql << insert, soci::use(o.id), soci::use(o.cents);
        sql << (kind == "mysql" ? "select last_insert_id()" : "select last_insert_rowid()"), soci::into(number);
    }
    sql << "update orders set state = 'paid' where id = :id", soci::use(o.id);
    note(where, sql, o.id, o.cents);
    return number;
}

// --- stock -------------------------------------------------------------------------------------------------------------

//[order_operation
void reserve_stock(weft::branch const& where, soci::session& sql, order const& o)
{
    soci::statement take = (sql.prepare << "update stock set on_hand = on_hand - :n, reserved = reserved + :n "
                                           "where article = :article and on_hand >= :n",
                            soci::use(o.quantity, "n"), soci::use(o.article, "article"));
    if (changed(take) == 0)
        throw weft::failure("out of stock: " + o.article);
    note(where, sql, o.article, o.quantity);
}
//]

void confirm_stock(weft::branch const& where, soci::session& sql, order const& o)
{
    sql << "update stock set reserved = reserved - :n, sold = sold + :n where article = :article", soci::use(o.quantity, "n"),
        soci::use(o.article, "article");
    note(where, sql, o.article, o.quantity);
}

void release_stock(weft::branch const& where, soci::session& sql, order const& o)
{
    sql << "update stock set reserved = reserved - :n, on_hand = on_hand + :n where article = :article", soci::use(o.quantity, "n"),
        soci::use(o.article, "article");
    note(where, sql, o.article, -o.quantity);
}

// --- accounts ----------------------------------------------------------------------------------------------------------

std::int64_t charge(weft::branch const& where, soci::session& sql, order const& o)
{
    soci::statement pay = (sql.prepare << "update accounts set balance = balance - :cents where customer = :customer and balance >= :cents",
                           soci::use(o.cents, "cents"), soci::use(o.customer, "customer"));
    if (changed(pay) == 0)
        throw weft::failure("not enough money: " + o.customer);
    sql << "insert into till values (:cents)", soci::use(o.cents);
    note(where, sql, o.customer, o.cents);
    return o.cents;
}

void refund(weft::branch const& where, soci::session& sql, order const& o)
{
    sql << "update accounts set balance = balance + :cents where customer = :customer", soci::use(o.cents), soci::use(o.customer);
    auto const back = -o.cents;
    sql << "insert into till values (:cents)", soci::use(back);
    note(where, sql, o.customer, -o.cents);
}
