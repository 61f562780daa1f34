#include "audit.hpp"

#include <weft/sql.hpp>

#include <limits>
#include <map>
#include <set>
#include <utility>

namespace {

std::int64_t number(soci::session& sql, std::string const& query)
{
    std::int64_t n = 0;
    sql << query, soci::into(n);
    return n;
}

// (branch, operation) → the amount of each of its effects: of one, if all is well
using effects_of_transaction = std::map<std::pair<std::string, std::string>, std::vector<std::int64_t>>;
using effects = std::map<std::string, effects_of_transaction>;

effects read_ledger(soci::session& sql)
{
    effects         all;
    std::string     gid, branch, operation;
    std::int64_t    amount = 0;
    soci::statement rows = (sql.prepare << "select gid, branch, operation, amount from ledger", soci::into(gid), soci::into(branch),
                            soci::into(operation), soci::into(amount));
    for (rows.execute(); rows.fetch();)
        all[gid][{branch, operation}].push_back(amount);
    return all;
}

class auditor
{
public:
    auditor(weft::store& transactions, shop& our) : transactions_(transactions), our_(our) { }

    audit_report run() &&
    {
        read_transactions();
        check_orders(our_.orders);
        check_stock(our_.stock);
        check_accounts(our_.accounts);
        return std::move(report_);
    }

private:
    void differs(std::string what) { report_.differences.push_back(std::move(what)); }

    void expect(std::string const& what, std::int64_t is, std::int64_t should_be)
    {
        if (is != should_be)
            differs(what + ": is " + std::to_string(is) + ", should be " + std::to_string(should_be) + " (" + (is > should_be ? "+" : "") +
                    std::to_string(is - should_be) + ")");
    }

    void read_transactions()
    {
        for (auto& t : transactions_.list({.limit = std::numeric_limits<std::int32_t>::max()}))
        {
            if (!is_final(t.status) && ++unfinished_ <= 3)
                differs("order " + t.gid +
                        " is not finished: " + (t.paused_reason.empty() ? std::string(to_string(t.status)) : "paused: " + t.paused_reason));
            (t.status == weft::status::succeed ? report_.committed : report_.rolled_back) += is_final(t.status);
            status_.emplace(t.gid, t.status);
        }
        if (unfinished_ > 3)
            differs("... and " + std::to_string(unfinished_ - 3) + " more orders are not finished");
    }

    // --- the ledgers: each effect once; what was done was kept or undone, as the transaction ended -------------------------

    void check_ledger(std::string const& database, effects const& all)
    {
        for (auto const& [gid, operations] : all)
        {
            if (!status_.contains(gid))
                differs(database + " has effects of order " + gid + ", of which no transaction is known");
            for (auto const& [key, times] : operations)
            {
                ++report_.effects;
                if (times.size() != 1)
                    differs(database + ": " + key.second + " of branch " + key.first + " of order " + gid + " happened " +
                            std::to_string(times.size()) + " times");
            }
        }
    }

    // What a transaction must have done in a database, by how it ended.
    void check_ends(std::string const& database, effects const& all, std::string const& done, std::string const& undone,
                    std::set<std::string> const& kept)
    {
        static effects_of_transaction const none;
        for (auto const& [gid, status] : status_)
        {
            auto const  found = all.find(gid);
            auto const& of = found == all.end() ? none : found->second;
            if (status == weft::status::succeed)
            {
                std::set<std::string> operations;
                for (auto const& e : of)
                    operations.insert(e.first.second);
                if (operations != kept)
                    differs(database + ": the effects of order " + gid + ", which committed, are not those of a committed order");
            }
            else if (status == weft::status::failed)
                for (auto const& [key, times] : of)
                    if (!of.contains({key.first, key.second == done ? undone : done}))
                        differs(database + ": order " + gid + " rolled back, and branch " + key.first + " has its " + key.second +
                                " alone");
        }
    }

    // --- the databases, one state of each ---------------------------------------------------------------------------------

    void check_orders(weft::database& db)
    {
        db.read([&](soci::session& sql) {
            auto const all = read_ledger(sql);
            check_ledger("orders", all);
            check_ends("orders", all, "action", "compensate", {"action"});

            std::map<std::string, std::int64_t> receipts;
            std::string                         id, state, article, customer;
            std::int64_t                        quantity = 0, cents = 0;
            soci::statement                     paid =
                (sql.prepare << "select order_id from receipts natural join (select id as order_id, cents from orders) as priced",
                 soci::into(id));
            for (paid.execute(); paid.fetch();)
                ++receipts[id];

            std::set<std::string> seen;
            soci::statement       rows = (sql.prepare << "select id, state, article, quantity, customer, cents from orders", soci::into(id),
                                    soci::into(state), soci::into(article), soci::into(quantity), soci::into(customer), soci::into(cents));
            for (rows.execute(); rows.fetch();)
            {
                auto const known = status_.find(id);
                bool const committed = known != status_.end() && known->second == weft::status::succeed;
                bool const final = known != status_.end() && is_final(known->second);
                seen.insert(id);
                if (final && state != (committed ? "paid" : "cancelled"))
                    differs("orders: " + id + (committed ? " committed" : " rolled back") + " and is " + state);
                if (final)
                    expect("orders: receipts of " + id + " with its price", receipts[id], committed ? 1 : 0);
                if (committed)
                {
                    sold_[article] += quantity;
                    spent_[customer] += cents;
                }
            }
            expect("orders: receipts, against the ledger", number(sql, "select count(*) from receipts"),
                   number(sql, "select count(*) from ledger where branch = '04'"));
            for (auto const& [gid, status] : status_)
                if (status == weft::status::succeed && !seen.contains(gid))
                    differs("orders: " + gid + " committed and is not there");
        });
    }

    void check_stock(weft::database& db)
    {
        db.read([&](soci::session& sql) {
            auto const all = read_ledger(sql);
            check_ledger("stock", all);
            check_ends("stock", all, "try", "cancel", {"try", "confirm"});

            std::string     article;
            std::int64_t    on_hand = 0, reserved = 0, sold = 0, opening = 0, all_reserved = 0, reserved_by_ledger = 0;
            soci::statement rows = (sql.prepare << "select article, on_hand, reserved, sold, opening from stock", soci::into(article),
                                    soci::into(on_hand), soci::into(reserved), soci::into(sold), soci::into(opening));
            for (rows.execute(); rows.fetch();)
            {
                expect("stock: " + article + " on hand + reserved + sold", on_hand + reserved + sold, opening);
                if (unfinished_ == 0)
                    expect("stock: " + article + " sold, against the orders that committed", sold, sold_[article]);
                if (on_hand < 0)
                    differs("stock: there are " + std::to_string(on_hand) + " of " + article);
                all_reserved += reserved;
                report_.sold += sold;
            }
            for (auto const& [gid, operations] : all)
                for (auto const& [key, times] : operations)
                    for (auto const amount : times)
                        reserved_by_ledger += key.second == "confirm" ? -amount : amount;
            expect("stock: reserved, against the ledger", all_reserved, reserved_by_ledger);
        });
    }

    void check_accounts(weft::database& db)
    {
        db.read([&](soci::session& sql) {
            auto const all = read_ledger(sql);
            check_ledger("accounts", all);
            check_ends("accounts", all, "action", "compensate", {"action"});

            report_.taken = number(sql, "select coalesce(sum(balance), 0) from till");
            expect("accounts: balances + till, in cents", number(sql, "select sum(balance) from accounts") + report_.taken,
                   number(sql, "select sum(opening) from accounts"));
            expect("accounts: till against the ledger, in cents", report_.taken,
                   number(sql, "select coalesce(sum(amount), 0) from ledger"));
            std::string     customer;
            std::int64_t    balance = 0, opening = 0;
            soci::statement rows = (sql.prepare << "select customer, balance, opening from accounts", soci::into(customer),
                                    soci::into(balance), soci::into(opening));
            for (rows.execute(); rows.fetch();)
            {
                if (unfinished_ == 0)
                    expect("accounts: what " + customer + " paid, against the orders that committed, in cents", opening - balance,
                           spent_[customer]);
                if (balance < 0)
                    differs("accounts: " + customer + " has " + std::to_string(balance) + " cents");
            }
        });
    }

    weft::store&                        transactions_;
    shop&                               our_;
    audit_report                        report_;
    std::map<std::string, weft::status> status_;
    std::int64_t                        unfinished_ = 0;
    std::map<std::string, std::int64_t> sold_;   // by article, from the orders that committed
    std::map<std::string, std::int64_t> spent_;  // by customer, likewise
};

}  // namespace

audit_report audit(weft::store& transactions, shop& our) { return auditor(transactions, our).run(); }
