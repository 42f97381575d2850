"""The 32 claims of 'Deconstructing Lottery Tickets' (Zhou et al. 2019), numbered in the order of its text."""

from tf_supermask.evidence.claims import Claims
from tf_supermask.papers.zhou.claims import actions, criteria, learned, supermasks

CLAIMS = Claims("", *(module.claim for module in (criteria, actions, supermasks, learned)))
