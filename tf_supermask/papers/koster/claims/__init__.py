"""The 37 claims of 'Signing the Supermask' (Koster et al. 2022), numbered in the order of its text."""

from tf_supermask.evidence.claims import Claims
from tf_supermask.papers.koster.claims import appendices, conv, fcn, masks, resnet

CLAIMS = Claims("", *(module.claim for module in (fcn, conv, masks, resnet, appendices)))
