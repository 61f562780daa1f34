// What is bought, and what one gets for it.
#pragma once

#include <boost/describe/class.hpp>

#include <cstdint>
#include <string>

//[order_structs
struct order
{
    std::string  id;
    std::string  customer;
    std::string  article;
    std::int64_t quantity = 0;
    std::int64_t cents = 0;  // for all of them together
};
BOOST_DESCRIBE_STRUCT(order, (), (id, customer, article, quantity, cents))

struct receipt
{
    std::string  order_id;
    std::int64_t number = 0;
    std::int64_t cents = 0;
};
BOOST_DESCRIBE_STRUCT(receipt, (), (order_id, number, cents))
//]
