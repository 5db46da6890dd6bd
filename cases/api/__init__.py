"""Cases, notices and referrals for machines."""
